"""Base of schedulers that leave each trial to another one."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler


class Delegating(FIFOScheduler):  # type: ignore[misc] # Ray is not typed
    """Passes on what it hears of a trial; trials begin in the order in which they are suggested."""

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Pass a new trial on to its scheduler."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Pass a failure on to its scheduler."""
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """The decision of its scheduler: whether the trial goes on."""
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass an end on to its scheduler."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Pass the removal of a trial on to its scheduler."""
        self._of(trial).on_trial_remove(tune_controller, trial)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it with the experiment, secrets of the sweep and all; a resumed sweep makes its own.
        return {}

    def _of(self, trial: Any) -> TrialScheduler:
        raise NotImplementedError
