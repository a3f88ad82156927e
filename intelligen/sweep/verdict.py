"""A trial goes on only once its report was judged. Tune holds one of one worker; one of several waits for this word."""

import time
from pathlib import Path

from intelligen.files import write_atomically

VERDICT_FILE = "goes_on_after_epoch"
POLL_S = 0.05


def let_go_on(directory: Path, epoch: int) -> None:
    """Say that nobody stops the trial with this epoch's report."""
    write_atomically(directory / VERDICT_FILE, str(epoch))


def await_verdict(directory: Path, epoch: int) -> None:
    """Wait until the trial may go on after this epoch; one that is stopped waits until it is ended."""
    while _judged(directory) < epoch:
        time.sleep(POLL_S)


def forget_verdicts(directory: Path) -> None:
    """A new launch begins: its scheduler judges the last report again."""
    (directory / VERDICT_FILE).unlink(missing_ok=True)


def _judged(directory: Path) -> int:
    try:
        return int((directory / VERDICT_FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
