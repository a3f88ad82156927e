"""Sweep context: what the stages of a launch share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intelligen.config.load import apply_settings
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.config.schema.schedulers import Pbt
from intelligen.config.schema.sweep import Resources, Sweep
from intelligen.state.failure_file import forget_failure
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import Kind, ParameterValue, TrialRecord
from intelligen.state.trial_result import read_trial
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.training.train_interval import TrainInterval


@dataclass(frozen=True)
class SweepContext:
    """Settings, directories and ledger of one launch of a sweep."""

    sweep: Sweep
    experiment: Experiment
    prepared: str
    """Identity of the prepared data."""
    store: Path
    directory: Path
    """The sweep's own."""
    ledger: Ledger
    stalled: set[str] = field(default_factory=set)
    """Trials whose processes were ended because their storage hung."""
    reopened: set[str] = field(default_factory=set)
    """Failed trials of which the ledger says that they run again, before they do."""

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds with which the best configurations are trained again; the search has not seen them."""
        return self.sweep.confirmation_seeds(self.experiment.seed)

    @property
    def baselines(self) -> list[Trial]:
        """One for each seed: first the one that the search starts from."""
        return [self.baseline(seed) for seed in (self.experiment.seed, *self.confirmation_seeds)]

    def baseline(self, seed: int) -> Trial:
        """What every trial of this seed starts from."""
        return baseline_trial(self.experiment.model_copy(update={"seed": seed}), prepared=self.prepared)

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
        start = self.baseline(self.experiment.seed).identity
        return finetuning_trial(experiment, prepared=self.prepared, start=start)

    def repeated(self, record: TrialRecord, *, seed: int) -> Trial:
        """A trial of the search with another seed, from that seed's baseline.

        Raises:
            DataError: Its directory does not say what it was.

        """
        changes = {"seed": seed, "start": self.baseline(seed).identity}
        return read_trial(self.directory_of(record)).model_copy(update=changes)

    def directory_of(self, record: TrialRecord) -> Path:
        """Where a trial's files lie."""
        return record.within(self.directory)

    def worker_config(
        self, trial: Trial, directory: Path, resources: Resources, *, interval: TrainInterval | None = None
    ) -> WorkerConfig:
        """What a process needs to work on a trial, or on an interval of a trial in a population."""
        interval = interval or TrainInterval.whole(trial)
        return {
            "trial": trial.model_dump_json(),
            "store": str(self.store),
            "directory": str(directory),
            "resources": resources.model_dump_json(),
            "epochs": trial.training.epochs,
            "settings": interval.settings.model_dump_json(),
            "until_epoch": interval.until_epoch,
            "adopted_update": interval.adopted_update,
        }

    def begin(
        self,
        name: str,
        trial: Trial,
        directory: Path,
        *,
        kind: Kind,
        params: Mapping[str, ParameterValue] | None = None,
        number: int | None = None,
        confirms: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a trial, or another attempt at it, into the ledger before it runs."""
        forget_failure(directory)
        if name in self.reopened:
            self.reopened.discard(name)
            return
        if name in self.ledger.trials:
            self.ledger.restart(name)
            return
        self.ledger.start(
            name,
            kind=kind,
            strategy=trial.strategy.name,
            seed=trial.seed,
            params=params or {},
            config=trial.model_dump(mode="json"),
            # Relative, so that a runs folder can be moved.
            directory=os.path.relpath(directory, self.directory),
            number=number,
            turn_epochs=self._interval_epochs if kind == "trial" else 0,
            confirms=confirms,
            attributes=attributes,
        )

    @property
    def _interval_epochs(self) -> int:
        return self.sweep.scheduler.interval_epochs if isinstance(self.sweep.scheduler, Pbt) else 0
