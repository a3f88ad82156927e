"""Early stopping within a row: a trial is compared with those of its own row only.

Otherwise early stopping would select rows by their first epochs, before the sweep compares them.
"""

from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler


class WithinRow(FIFOScheduler):  # type: ignore[misc] # Ray is not typed
    """One scheduler for each row.

    Args:
        make: Makes a row's scheduler, with its trials of earlier launches.

    """

    def __init__(self, make: Callable[[str], TrialScheduler]) -> None:
        super().__init__()
        self._make = make
        self._schedulers: dict[str, TrialScheduler] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Pass a new trial on to its row's scheduler."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Pass a failure on to its row's scheduler."""
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """The decision of its row's scheduler: whether the trial goes on."""
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass an end on to its row's scheduler."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Pass the removal of a trial on to its row's scheduler."""
        self._of(trial).on_trial_remove(tune_controller, trial)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it with the experiment, secrets of the sweep and all; a resumed sweep makes its own.
        return {}

    def _of(self, trial: Any) -> TrialScheduler:
        row = trial.config["row"]
        if row not in self._schedulers:
            self._schedulers[row] = self._make(row)
        return self._schedulers[row]
