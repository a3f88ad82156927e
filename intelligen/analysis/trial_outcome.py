"""Outcome of a trial: read from its own directory, not from what a scheduler reports."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intelligen.analysis.strategy_table import device_seconds, selected_scores
from intelligen.state.failure_file import read_failure
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.ledger import TrialState
from intelligen.state.trial_result import read_result


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: its state, reason and values."""

    state: TrialState
    reason: str
    values: tuple[float, ...] = ()
    """The objectives of the selected weights, in the sweep's order; empty where the trial did not come so far."""
    curve: Mapping[int, float] = field(default_factory=dict)
    """The first objective after each epoch."""
    selected: Mapping[str, float] = field(default_factory=dict)
    """The objectives of the weights that would be tested, also of a trial that was stopped early: by its best epoch."""


def last_line(error: BaseException) -> str:
    """Ray's errors are whole tracebacks; their last line says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def read_outcome(directory: Path, *, objectives: Sequence[str], crashed: bool, stopped: str | None = None) -> Outcome:
    """The outcome of a trial that no process works on any more.

    Args:
        directory: The trial's.
        objectives: Metrics; the first decides where one must.
        crashed: Whether its processes died at every attempt that it had.
        stopped: Why it was stopped, where it was not the scheduler that did.

    Raises:
        StorageError: Its files are damaged.

    """
    reports = read_history(directory / HISTORY_FILE)
    curve = {report.epoch: report.metrics[objectives[0]] for report in reports if objectives[0] in report.metrics}
    result = read_result(directory)
    scores = selected_scores(result, reports, objectives[0])
    values = {metric: _value(metric, scores, reports) for metric in objectives} if scores else {}
    if result is not None:
        if unusable := [metric for metric, value in values.items() if not math.isfinite(value)]:
            return Outcome(TrialState.FAILED, f"its {unusable[0]} is {values[unusable[0]]}", curve=curve)
        state = TrialState.COMPLETE if result.healthy else TrialState.PRUNED
        return Outcome(state, result.stop_reason, tuple(values.values()), curve, values)
    if (failure := read_failure(directory)) is not None:
        return Outcome(TrialState.FAILED, failure, curve=curve)
    if crashed or not (reports or stopped):
        reason = "its process died at every attempt; its trial.log shows how far they got"
        return Outcome(TrialState.FAILED, reason, curve=curve)
    reason = stopped or f"stopped by the scheduler after epoch {reports[-1].epoch}"
    return Outcome(TrialState.PRUNED, reason, curve=curve, selected=values)


def _value(metric: str, scores: Mapping[str, float], reports: Sequence[Report]) -> float:
    """An objective of a trial: of the weights that would be tested, or of all its epochs."""
    match metric:
        case "cost/device_s":
            return device_seconds(reports)
        case "time/epoch_s":
            # A baseline that is a model as it was loaded has no epoch.
            return sum(report.metrics[metric] for report in reports) / max(1, len(reports))
    return scores[metric]
