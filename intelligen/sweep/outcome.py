"""How a trial ended is read from its own directory, not from what a scheduler believes."""

import json
from dataclasses import dataclass
from pathlib import Path

from intelligen.tracking.ledger import TrialState
from intelligen.training.history import HISTORY_FILE, read_history
from intelligen.training.result import read_result, write_atomically

FAILURE_FILE = "failure.json"


@dataclass(frozen=True)
class Outcome:
    """The end of a trial."""

    state: TrialState
    reason: str
    value: float | None = None
    """The objective on the validation set, of the selected weights, where the trial came to select them."""


def write_failure(directory: Path, reason: str) -> None:
    """Leave word of a failure that trying again would not mend."""
    write_atomically(directory / FAILURE_FILE, json.dumps({"reason": reason}))


def forget_failure(directory: Path) -> None:
    """A new attempt begins: what an earlier one failed of is past."""
    (directory / FAILURE_FILE).unlink(missing_ok=True)


def last_line(error: BaseException) -> str:
    """Ray's errors are whole tracebacks; their last line says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def read_outcome(directory: Path, *, metric: str, crashed: bool) -> Outcome:
    """What came of a trial that no process works on any more.

    Args:
        directory: The trial's.
        metric: The objective.
        crashed: Whether its processes died more often than it was to be tried.

    """
    result = read_result(directory)
    if result is not None:
        state = TrialState.COMPLETE if result.healthy else TrialState.PRUNED
        return Outcome(state, result.stop_reason, result.metrics[metric])
    failure = directory / FAILURE_FILE
    if failure.exists():
        return Outcome(TrialState.FAILED, json.loads(failure.read_text(encoding="utf-8"))["reason"])
    reports = read_history(directory / HISTORY_FILE)
    if crashed or not reports:
        return Outcome(TrialState.FAILED, "its process died at every attempt; its trial.log shows how far they came")
    return Outcome(TrialState.PRUNED, f"stopped by the scheduler after epoch {reports[-1].epoch}")
