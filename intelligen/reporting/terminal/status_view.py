"""Status of a sweep on a terminal: a heading, strategies, running trials, time left."""

import time
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from intelligen.analysis.best_settings import settings_block
from intelligen.analysis.eta import duration, eta_words
from intelligen.analysis.row_status import BestTrial
from intelligen.analysis.status import Status, SweepState
from intelligen.analysis.suggested_command import command_line
from intelligen.config.metric_direction import best
from intelligen.config.schema.rows import STRATEGY
from intelligen.reporting.terminal.fitting_table import Column, FittingTable
from intelligen.state.redaction import redact_text


def status_view(status: Status) -> RenderableType:
    """One sweep in full."""
    parts: list[RenderableType] = [Text(line) for line in _heading(status)]
    parts.append(_strategies(status))
    if status.under_way:
        parts.append(_under_way(status))
    parts += [Text(line) for line in settings_block(status.best, status.settings_use)]
    parts += [Text(line) for line in _ending(status)]
    return Group(*parts)


def list_view(statuses: Sequence[Status]) -> FittingTable:
    """One line per sweep."""
    rows = []
    for status in statuses:
        best = _leader(status)
        rows.append(
            [
                status.name,
                state_words(status),
                status.ended_words,
                "" if best is None else f"{status.objective}\n{status.words.text(status.objective, best[1].value)}",
                "" if best is None else status.words.compared.label(best[0]),
                f"{duration(_since_s(status.last_sign_ms))} ago",
            ]
        )
    return _table(rows, "sweep", "state", ">trials", ">best", _word(statuses), ">last update", optional=(5, 4))


def _word(statuses: Sequence[Status]) -> str:
    words = {status.words.compared.word for status in statuses}
    return words.pop() if len(words) == 1 else STRATEGY


def state_words(status: Status) -> str:
    """The state, and the process that runs it, if any."""
    owner = status.holder
    if owner is None:
        return str(status.state)
    return f"running ({owner}{'' if owner.certain else ', according to its lock'})"


def _heading(status: Status) -> list[str]:
    trials = f"{status.ended_words} trials ended"
    counted = _counted(status.trials)
    lines = [f"{status.name}: {state_words(status)}; {trials}{f' ({counted})' if counted else ''}"]
    if status.confirmations:
        confirmed = _counted(status.confirmed) or "none yet"
        fewest = "" if status.least_confirmations == status.confirmations else f"{status.least_confirmations} to "
        lines.append(f"confirmations: {confirmed}, of {fewest}{status.confirmations}")
    return [*lines, status.question] if status.question else lines


def _strategies(status: Status) -> FittingTable:
    words, rows = status.words, []
    titles = (*words.headings, "trials", f">best {status.objective}", "trial", ">device-s", f">{words.counted}")
    for one in status.strategies:
        best = ("", "") if one.best is None else (words.text(status.objective, one.best.value), one.best.trial)
        effort = f"{one.device_s:,.0f}", "" if one.target_tokens is None else f"{one.target_tokens:,}"
        rows.append([*words.place(one.strategy), _counted(one.trials).replace(", ", ",\n"), *best, *effort])
    return _table(rows, *titles, optional=(len(titles) - 1, len(titles) - 2))


def _under_way(status: Status) -> FittingTable:
    titles = ("running", status.words.compared.heading, ">epoch", f">{status.objective}", ">attempt", ">for")
    rows = []
    for trial in status.under_way:
        value = "" if trial.value is None else status.words.text(status.objective, trial.value)
        age = duration(_since_s(trial.started_ms)) if status.state is SweepState.RUNNING else "idle"
        if trial.resting:
            age = "paused"
        epoch = f"{trial.epoch} of {trial.epochs}"
        label = status.words.compared.label(trial.strategy)
        rows.append([trial.trial, label, epoch, value, str(trial.attempts), age])
    return _table(rows, *titles, optional=(4, 5))


def _ending(status: Status) -> list[str]:
    compare = [f"{'' if number else 'compare':8} {line}" for number, line in enumerate(status.comparison)]
    if status.state is SweepState.RUNNING:
        return [_left(status), *compare]
    lines = [f"files    {status.directory}"]
    if status.tracking_uri is not None:
        lines.append(f"MLflow   {redact_text(status.tracking_uri)}")
    lines += compare
    if status.unfinished:
        lines.append(f"resume   {command_line('resume', status.directory)}")
    return lines


def _left(status: Status) -> str:
    if status.eta is None:
        unbounded = status.budget_trials is None
        why = "the budget is not a number of trials" if unbounded else "no trial has ended with a score yet"
        return f"left     unknown: {why}"
    training = "search and confirmation" if status.confirmations else "search"
    return f"left     {eta_words(status.eta)} of {training} (early stops as so far, or none), then the tests"


def _leader(status: Status) -> tuple[str, BestTrial] | None:
    """The strategy whose best is best; every strategy's best has been chosen by the objective already."""
    found = [(one.strategy, one.best) for one in status.strategies if one.best and one.strategy != "baseline"]
    return best(status.objective, found, value=lambda pair: pair[1].value)


def _counted(trials: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in trials.items() if count)


def _since_s(time_ms: int) -> float:
    return max(0.0, time.time() - time_ms / 1000)


def _table(rows: Sequence[Sequence[str]], *titles: str, optional: Sequence[int] = ()) -> FittingTable:
    """A table without lines; columns whose name begins with > are set to the right.

    Args:
        rows: Cells.
        titles: Of the columns.
        optional: Columns that a narrow terminal leaves out, in this order.

    """
    ranks = {number: len(optional) - place for place, number in enumerate(optional)}
    columns = [
        Column(title.removeprefix(">"), title.startswith(">"), ranks.get(number, 0))
        for number, title in enumerate(titles)
    ]
    return FittingTable(columns, rows, rest="--json has them", lined=False)
