"""Early stopping within a row: a trial is compared with those of its own row only.

Otherwise early stopping would select rows by their first epochs, before the sweep compares them.
"""

from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import TrialScheduler

from intelligen.sweep.schedulers.delegating import Delegating


class WithinRow(Delegating):
    """One scheduler for each row.

    Args:
        make: Makes a row's scheduler, with its trials of earlier launches.

    """

    def __init__(self, make: Callable[[str], TrialScheduler]) -> None:
        super().__init__()
        self._make = make
        self._schedulers: dict[str, TrialScheduler] = {}

    def _of(self, trial: Any) -> TrialScheduler:
        row = trial.config["row"]
        if row not in self._schedulers:
            self._schedulers[row] = self._make(row)
        return self._schedulers[row]
