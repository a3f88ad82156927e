"""Plots of a search for MLflow: the best score so far, and the trials of each strategy."""

import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from intelligen.analysis.leaderboard import LeaderboardEntry
from intelligen.config.metric_direction import improves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST_SO_FAR, BY_STRATEGY = "plots/best_so_far.png", "plots/by_strategy.png"

_SIZE_INCHES = (8.0, 4.5)


def plots(entries: Sequence[LeaderboardEntry], *, metric: str) -> dict[str, "Figure"]:
    """File → picture; none before a trial has come to a score.

    Args:
        entries: Ended trials in the order in which they began, baselines among them.
        metric: The objective.

    """
    trials = {one.record.id: one.value for one in entries if one.record.kind == "trial" and one.value is not None}
    if not trials:
        return {}
    baseline = next((one.value for one in entries if one.record.kind == "baseline"), None)
    strategies: dict[str, list[str]] = {}
    for one in entries:
        if one.record.id in trials:
            strategies.setdefault(one.record.row, []).append(one.record.id)
    return {
        BEST_SO_FAR: _best_so_far(trials, strategies, baseline, metric),
        BY_STRATEGY: _by_strategy(trials, strategies, baseline, metric),
    }


def running_best(values: Sequence[float], *, metric: str) -> list[float]:
    """The best value up to and including each."""

    def better(known: float, value: float) -> float:
        return value if improves(metric, value, than=known) else known

    return list(accumulate(values, better))


def _best_so_far(
    trials: dict[str, float], strategies: dict[str, list[str]], baseline: float | None, metric: str
) -> "Figure":
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(metric, baseline)
    numbers = {trial_id: number for number, trial_id in enumerate(trials, start=1)}
    for strategy, members in strategies.items():
        axes.scatter([numbers[name] for name in members], [trials[name] for name in members], label=strategy)
    best = running_best(list(trials.values()), metric=metric)
    axes.step(list(numbers.values()), best, where="post", color="black", label="best so far")
    axes.set_xlabel("trial, in the order of their beginnings")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside right upper")
    return figure


def _by_strategy(
    trials: dict[str, float], strategies: dict[str, list[str]], baseline: float | None, metric: str
) -> "Figure":
    figure, axes = _axes(metric, baseline)
    for number, members in enumerate(strategies.values()):
        axes.scatter([number] * len(members), [trials[name] for name in members], alpha=0.6)
    axes.set_xticks(range(len(strategies)), [f"{name} ({len(ids)})" for name, ids in strategies.items()])
    axes.margins(x=0.2)
    if baseline is not None:
        figure.legend(loc="outside right upper")
    return figure


def _axes(metric: str, baseline: float | None) -> tuple["Figure", "Axes"]:
    # The first import may look through all fonts, and says so.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_ylabel(metric)
    axes.grid(alpha=0.3)
    if baseline is not None:
        axes.axhline(baseline, linestyle="--", color="grey", label="baseline")
    return figure, axes
