"""Analysis of a search: expected best by effort, importance of parameters, equal budgets.

Formulas, sources and what all this does not say: docs/statistics.md.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

import numpy as np
import optuna
from optuna.trial import TrialState

from intelligen.config.metric_direction import pareto_optimal
from intelligen.config.schema.budget import Budget

FAIR_SHARE: Final = 0.05
"""Budgets that differ by more, as a share of the smaller one, are not equal."""
MOST_POINTS: Final = 200
"""Of a curve: with all of them the time and the memory would grow with the square of the trials."""
LEAST_TRIALS: Final = 20
"""With fewer completed trials no importance is computed."""
# Optuna's advice: at least so many trials on the good side. Its own share of them is a tenth.
_BEST_TRIALS: Final = 5
_BEST_SHARE: Final = 0.1


@dataclass(frozen=True)
class Curve:
    """The best value to be expected of a search that stops after n trials, for every n up to those that ran.

    Of more than `MOST_POINTS` trials, for at most so many n: the first ones, then ever wider apart up to the last.
    """

    trials: tuple[int, ...]
    expected: tuple[float, ...]
    deviation: tuple[float, ...]
    """Standard deviation of the best of n."""
    costs: Mapping[str, tuple[float, ...]]
    """Kind of cost → what n trials cost: n times the mean of a trial."""


@dataclass(frozen=True)
class SearchEffort:
    """What a strategy's trials of the search have spent, however they ended."""

    trials: int
    device_s: float
    target_tokens: int


@dataclass(frozen=True)
class BudgetUse:
    """One kind of budget, as all strategies have spent it."""

    kind: str
    """`trials`, `device_s` or `target_tokens`"""
    spent: Mapping[str, float]
    """Strategy → how much."""
    meant: bool
    """Whether it was meant to be equal."""

    @property
    def fair(self) -> bool:
        """Whether all strategies have spent the same, within 5 %."""
        return max(self.spent.values()) <= (1 + FAIR_SHARE) * min(self.spent.values())


def expected_best(
    values: Sequence[float], costs: Mapping[str, Sequence[float]], *, higher_is_better: bool = True
) -> Curve:
    """Expected validation performance by Dodge et al. (2019, eq. 7): n trials drawn, with replacement, from those here.

    Args:
        values: The objective of each trial that has one.
        costs: Kind of cost → cost of every trial; of those without a value too, whose cost the others bear.
        higher_is_better: Whether the best is the highest.

    """
    count = len(values)
    sign = 1 if higher_is_better else -1
    rising = np.sort(sign * np.asarray(values, dtype=np.float64))
    trials = _effort_points(count)
    # P(best of n is the i-th) = F(i)^n − F(i − 1)^n
    below = (np.arange(count + 1) / max(1, count)) ** trials[:, None]
    chances = np.diff(below, axis=1)
    means = chances @ rising
    # Of the deviations, not of the squares: those cancel.
    variances = (chances * (rising - means[:, None]) ** 2).sum(axis=1)
    return Curve(
        trials=tuple(trials.tolist()),
        expected=tuple((sign * means).tolist()),
        deviation=tuple(np.sqrt(variances).tolist()),
        costs={kind: tuple((trials * (sum(each) / max(1, count))).tolist()) for kind, each in costs.items()},
    )


def _effort_points(count: int) -> np.ndarray:
    """Every number of trials up to `count`, or `MOST_POINTS` of them: a curve bends most where it begins."""
    if count <= MOST_POINTS:
        return np.arange(1, count + 1)
    return np.unique(np.geomspace(1, count, MOST_POINTS).round().astype(np.int64))


def importance(study: optuna.Study) -> dict[str, float] | None:
    """How much each parameter decides whether a trial is among the best, by PED-ANOVA (Watanabe et al. 2023).

    Args:
        study: The trials that count; of several objectives, the first does.

    Returns:
        Parameter → share, the largest first, summing to 1; a parameter that only some trials have counts where it
        exists, and one that all have alike has no entry. None where too few trials have finished, or none is
        better than the others.

    """
    chosen = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(chosen) < LEAST_TRIALS or len({trial.values[0] for trial in chosen}) == 1:
        return None
    # It brings scikit-learn along, which takes a second and which launches of few trials do not need.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    values: dict[str, set[object]] = {}
    for trial in chosen:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    varied = [name for name, found in values.items() if len(found) > 1]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    alone = optuna.create_study(direction=study.directions[0])
    alone.add_trials(
        optuna.trial.create_trial(value=trial.values[0], params=trial.params, distributions=trial.distributions)
        for trial in chosen
    )
    best = PedAnovaImportanceEvaluator(target_quantile=max(_BEST_SHARE, _BEST_TRIALS / len(chosen)))
    with warnings.catch_warnings():
        # That options which a single trial chose are left out.
        warnings.filterwarnings("ignore", "Some regimes for parameter", UserWarning)
        shares: dict[str, float] = get_param_importances(alone, evaluator=best, params=varied)
    return shares


def pareto_front(
    scores: Mapping[str, float], costs: Mapping[str, float], *, higher_is_better: bool = True
) -> list[str]:
    """The trials that no other exceeds in both score and cost, the cheapest first.

    Args:
        scores: Of trials or strategies, by name.
        costs: Of the same; less is better.
        higher_is_better: Which way the score points.

    """
    sign = -1 if higher_is_better else 1
    names = sorted(scores, key=lambda name: (costs[name], sign * scores[name]))
    return [names[number] for number in pareto_optimal([(costs[name], sign * scores[name]) for name in names])]


def budget_uses(spent: Mapping[str, SearchEffort], budget: Budget) -> list[BudgetUse]:
    """Each kind of budget, and which were meant to be equal: those per strategy; where there is none, trials."""
    meant = {_KINDS[name] for name in budget.per_strategy()} or {"trials"}
    table = {strategy: astuple(one) for strategy, one in spent.items()}
    return [
        BudgetUse(field.name, {strategy: row[number] for strategy, row in table.items()}, field.name in meant)
        for number, field in enumerate(fields(SearchEffort))
    ]


def budget_differences(
    spent: Mapping[str, SearchEffort], budget: Budget, *, counted: str = "target tokens"
) -> list[str]:
    """Why strategies cannot be ranked by their budgets, one clause each; empty where they can.

    Of several budgets per strategy the first that is spent ends a strategy's search, so one that is equal suffices.
    """
    meant = [one for one in budget_uses(spent, budget) if one.meant]
    if len(spent) < 2 or any(one.fair for one in meant):
        return []
    return [_difference(one, counted) for one in meant]


_KINDS: Final = {
    "trials_per_strategy": "trials",
    "device_hours_per_strategy": "device_s",
    "target_tokens_per_strategy": "target_tokens",
}
_WORDS: Final = {"trials": "trials", "device_s": "device-seconds"}


def _difference(allotment: BudgetUse, counted: str) -> str:
    least, most = (choose(allotment.spent, key=allotment.spent.__getitem__) for choose in (min, max))
    return (
        f"budgets differ by more than {100 * FAIR_SHARE:g} %: {most} had {allotment.spent[most]:,.0f}"
        f" {_WORDS.get(allotment.kind, counted)}, {least} {allotment.spent[least]:,.0f}"
    )
