"""Epoch gate: a trial of several workers waits after each epoch until the scheduler has decided on its report."""

import time
from pathlib import Path

from intelligen.state.atomic_files import write_atomically

GATE_FILE = "goes_on_after_epoch"
POLL_S = 0.05


def open_gate(directory: Path, epoch: int) -> None:
    """Let the trial go on: it is not stopped with this epoch's report."""
    write_atomically(directory / GATE_FILE, str(epoch))


def wait_at_gate(directory: Path, epoch: int) -> None:
    """Wait until the trial may go on after this epoch; one that is stopped waits until it is ended."""
    while _opened_after(directory) < epoch:
        time.sleep(POLL_S)


def close_gate(directory: Path) -> None:
    """Close the gate for a new launch, whose scheduler decides on the last report again."""
    (directory / GATE_FILE).unlink(missing_ok=True)


def _opened_after(directory: Path) -> int:
    try:
        return int((directory / GATE_FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
