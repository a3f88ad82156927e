"""Detects a ledger that is gone: what a launch leaves beside it is never there before it."""

from pathlib import Path

from intelligen.errors import StorageError
from intelligen.state import layout
from intelligen.state.trial_integrity import FIX

TRIAL_FOLDERS = (layout.TRIALS, layout.CONFIRM)
_WRITTEN_AFTER = (layout.LAUNCH_FILE, *TRIAL_FOLDERS)


def require_no_lost_ledger(directory: Path) -> None:
    """Refuse a directory without a ledger in which a sweep has been run.

    Raises:
        StorageError: It is one.

    """
    path = directory / layout.LEDGER_FILE
    left = [name for name in _WRITTEN_AFTER if (directory / name).exists()]
    if left and not path.exists():
        raise StorageError(f"{path}: the ledger is gone, though {left[0]} of its sweep is there; {FIX}")
