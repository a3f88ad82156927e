"""Stop reasons of trials: new files say `finished` for a trial that was not stopped.

Earlier revisions said `ran its course`, in results, ledgers and Optuna's studies; whatever reads one of them reads it
by `current_reason`.
"""

from typing import TypeVar

FINISHED = "finished"
_FORMER = "ran its course"

Reason = TypeVar("Reason", str, str | None)


def current_reason(stored: Reason) -> Reason:
    """A stored reason as it would be written now."""
    return FINISHED if stored == _FORMER else stored
