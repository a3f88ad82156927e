"""One launch of a sweep: what its stages share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelligen.config.experiment import Experiment, Trial, baseline_trial
from intelligen.config.sweep import Resources, Sweep
from intelligen.sweep.outcome import forget_failure
from intelligen.sweep.workers import WorkerConfig
from intelligen.tracking.ledger import Ledger
from intelligen.tracking.records import TrialRecord


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

    def directory_of(self, record: TrialRecord) -> Path:
        """Where a trial's files lie."""
        return self.directory / record.directory

    def worker_config(self, trial: Trial, directory: Path, resources: Resources) -> WorkerConfig:
        """What a process needs to work on a trial."""
        return {
            "trial": trial.model_dump_json(),
            "store": str(self.store),
            "directory": str(directory),
            "resources": resources.model_dump_json(),
            "epochs": trial.training.epochs,
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
        )
