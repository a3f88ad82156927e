"""A sweep's standing on a terminal: one heading, a row per strategy, a row per trial under way, what is left."""

import time
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from intelligen.config.metrics import best
from intelligen.reporting.eta import Eta
from intelligen.reporting.standing import Best, Standing, SweepState
from intelligen.tracking.command_line import command_line
from intelligen.tracking.redaction import redact_text


def standing_view(standing: Standing) -> RenderableType:
    """One sweep in full."""
    parts: list[RenderableType] = [Text(line) for line in _heading(standing)]
    parts.append(_strategies(standing))
    if standing.under_way:
        parts.append(_under_way(standing))
    parts += [Text(line) for line in _ending(standing)]
    return Group(*parts)


def list_view(standings: Sequence[Standing]) -> Table:
    """One line per sweep."""
    table = _table("sweep", "state", ">trials", ">best", "strategy", ">last sign")
    for standing in standings:
        best = _leader(standing)
        table.add_row(
            standing.name,
            state_words(standing),
            standing.ended_words,
            "" if best is None else f"{standing.objective} {best[1].value:.2f}",
            "" if best is None else best[0],
            f"{duration(_since_s(standing.last_sign_ms))} ago",
        )
    return table


def state_words(standing: Standing) -> str:
    """The state, and who runs it where somebody does."""
    holder = standing.holder
    if holder is None:
        return str(standing.state)
    return f"running ({holder}{'' if holder.certain else ', as its lock says'})"


def duration(seconds: float) -> str:
    """In the unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def eta_words(eta: Eta) -> str:
    """A range."""
    return f"{duration(eta.low_s)} to {duration(eta.high_s)}"


def _heading(standing: Standing) -> list[str]:
    trials = f"{standing.ended_words} trials ended"
    counted = _counted(standing.trials)
    lines = [f"{standing.name}: {state_words(standing)}; {trials}{f' ({counted})' if counted else ''}"]
    if standing.confirmations:
        confirmed = _counted(standing.confirmed) or "none yet"
        lines.append(f"trained again with other seeds: {confirmed}, of {standing.confirmations}")
    return [*lines, standing.question] if standing.question else lines


def _strategies(standing: Standing) -> Table:
    table = _table("strategy", "trials", f">best {standing.objective}", "trial", ">device-s", ">target tokens")
    for one in standing.strategies:
        best = ("", "") if one.best is None else (f"{one.best.value:.2f}", one.best.trial)
        table.add_row(one.strategy, _counted(one.trials), *best, f"{one.device_s:,.0f}", f"{one.target_tokens:,}")
    return table


def _under_way(standing: Standing) -> Table:
    table = _table("under way", "strategy", ">epoch", f">{standing.objective}", ">attempt", ">for")
    for trial in standing.under_way:
        value = "" if trial.value is None else f"{trial.value:.2f}"
        age = duration(_since_s(trial.started_ms)) if standing.state is SweepState.RUNNING else "stands still"
        if trial.resting:
            age = "rests"
        epoch = f"{trial.epoch} of {trial.epochs}"
        table.add_row(trial.trial, trial.strategy, epoch, value, str(trial.attempts), age)
    return table


def _ending(standing: Standing) -> list[str]:
    compare = [f"{'' if place else 'compare':8} {line}" for place, line in enumerate(standing.comparison)]
    if standing.state is SweepState.RUNNING:
        return [_left(standing), *compare]
    lines = [f"files    {standing.directory}"]
    if standing.tracking_uri is not None:
        lines.append(f"MLflow   {redact_text(standing.tracking_uri)}")
    lines += compare
    if standing.unfinished:
        lines.append(f"go on    {command_line('resume', standing.directory)}")
    return lines


def _left(standing: Standing) -> str:
    if standing.eta is None:
        return "left     cannot be told: no trial has ended yet, or no number of trials is the budget"
    training = "search and confirmation" if standing.confirmations else "search"
    return f"left     {eta_words(standing.eta)} of {training} (as many early stops as so far, or none), then the tests"


def _leader(standing: Standing) -> tuple[str, Best] | None:
    """The strategy whose best is best; every strategy's best has been chosen by the objective already."""
    found = [(one.strategy, one.best) for one in standing.strategies if one.best and one.strategy != "baseline"]
    return best(standing.objective, found, value=lambda pair: pair[1].value)


def _counted(trials: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in trials.items() if count)


def _since_s(time_ms: int) -> float:
    return max(0.0, time.time() - time_ms / 1000)


def _table(*columns: str) -> Table:
    """A table without lines; columns whose name begins with > are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=True)
    return table
