"""Who is stopped early; a resumed sweep compares new trials with those of earlier launches."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from intelligen.config.sweep import NoScheduler, Sweep
from intelligen.training.history import HISTORY_FILE, Report, read_history


class ResumableAsha(AsyncHyperBandScheduler):  # type: ignore[misc] # Ray is not typed
    """ASHA whose rungs are filled from the histories of earlier launches.

    Args:
        objective: The metric that is compared.
        epochs: Of a trial that runs its course; after its last epoch nothing can be saved by stopping it.
        arguments: Of AsyncHyperBandScheduler.

    """

    def __init__(self, objective: str, *, epochs: int, **arguments: Any) -> None:
        # One more than a trial has: at max_t every trial would be stopped before it can select its weights.
        super().__init__(time_attr="training_iteration", metric=objective, max_t=epochs + 1, **arguments)
        self._epochs = epochs

    def recall(self, trial_id: str, reports: list[Report]) -> None:
        """Take an ended trial's reports into account."""
        ended = SimpleNamespace(trial_id=trial_id)
        super().on_trial_add(None, ended)
        self._replay(ended, reports)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if result["training_iteration"] >= self._epochs else decision

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial that an earlier launch left unfinished brings its reports along, under Tune's new name for it."""
        super().on_trial_add(tune_controller, trial)
        self._replay(trial, read_history(Path(trial.config["directory"]) / HISTORY_FILE))

    def _replay(self, trial: Any, reports: list[Report]) -> None:
        for report in reports:
            self.on_trial_result(None, trial, {**report.metrics, "training_iteration": report.epoch})


def scheduler(sweep: Sweep, *, epochs: int, ended: dict[str, list[Report]]) -> TrialScheduler:
    """The sweep's scheduler.

    Args:
        sweep: Its settings.
        epochs: Of a trial that runs its course.
        ended: Reports of the trials that earlier launches brought to an end.

    """
    if isinstance(sweep.scheduler, NoScheduler):
        return FIFOScheduler()
    asha = ResumableAsha(
        sweep.objective.metric,
        mode="max" if sweep.objective.direction == "maximize" else "min",
        epochs=epochs,
        grace_period=min(epochs, sweep.scheduler.grace_epochs),
        reduction_factor=sweep.scheduler.reduction_factor,
    )
    for trial_id, reports in ended.items():
        asha.recall(trial_id, reports)
    return asha
