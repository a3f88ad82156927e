"""One launch of a sweep: what its stages share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelligen.config.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.config.loading import apply_settings
from intelligen.config.schedulers import Pbt
from intelligen.config.sweep import Resources, Sweep
from intelligen.sweep.outcome import forget_failure
from intelligen.sweep.workers import WorkerConfig
from intelligen.tracking.ledger import Ledger
from intelligen.tracking.records import TrialRecord
from intelligen.training.turn import Turn


@dataclass(frozen=True)
class SweepRun:
    """One launch of a sweep."""

    sweep: Sweep
    experiment: Experiment
    prepared: str
    """Identity of the prepared data."""
    store: Path
    directory: Path
    """The sweep's own."""
    ledger: Ledger

    @property
    def baseline(self) -> Trial:
        """What every trial starts from."""
        return baseline_trial(self.experiment, prepared=self.prepared)

    @property
    def metrics(self) -> list[str]:
        """The objectives' metrics; the first decides where one must."""
        return [objective.metric for objective in self.sweep.all_objectives()]

    def trial(self, changes: dict[str, Any]) -> Trial:
        """The trial that has these values.

        Raises:
            ConfigError: They do not go together.

        """
        experiment = apply_settings(self.experiment, changes)
        return finetuning_trial(experiment, prepared=self.prepared, start=self.baseline.identity)

    def directory_of(self, record: TrialRecord) -> Path:
        """Where a trial's files lie."""
        return self.directory / record.directory

    def worker_config(
        self, trial: Trial, directory: Path, resources: Resources, *, turn: Turn | None = None
    ) -> WorkerConfig:
        """What a process needs to work on a trial: on its turn, where it is in a population."""
        turn = turn or Turn.whole(trial)
        return {
            "trial": trial.model_dump_json(),
            "store": str(self.store),
            "directory": str(directory),
            "resources": resources.model_dump_json(),
            "epochs": trial.training.epochs,
            "settings": turn.settings.model_dump_json(),
            "until_epoch": turn.until_epoch,
            "adopted_update": turn.adopted_update,
        }

    def begin(
        self,
        name: str,
        trial: Trial,
        directory: Path,
        *,
        params: dict[str, Any] | None = None,
        number: int | None = None,
    ) -> None:
        """Write a trial, or another attempt at it, into the ledger before it runs."""
        forget_failure(directory)
        if name in self.ledger.trials:
            self.ledger.restart(name)
            return
        self.ledger.start(
            name,
            kind="baseline" if number is None else "trial",
            strategy=trial.strategy.name,
            seed=trial.seed,
            params=params or {},
            config=trial.model_dump(mode="json"),
            # Relative, so that a runs folder can be moved.
            directory=os.path.relpath(directory, self.directory),
            number=number,
            turn_epochs=0 if number is None else self._turn_epochs,
        )

    @property
    def _turn_epochs(self) -> int:
        return self.sweep.scheduler.interval_epochs if isinstance(self.sweep.scheduler, Pbt) else 0
