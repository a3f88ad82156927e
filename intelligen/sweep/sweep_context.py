"""Sweep context: what the stages of a launch share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.replicates import Replicate
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.schedulers import Pbt
from intelligen.config.schema.sweep import Sweep
from intelligen.state.failure_file import forget_failure
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import Kind, ParameterValue, TrialRecord
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.memory_hints import memory_hints
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.row_trials import RowTrials, weights_in
from intelligen.training.train_interval import TrainInterval


@dataclass(frozen=True)
class SweepContext:
    """Settings, directories and ledger of one launch of a sweep."""

    sweep: Sweep
    experiment: Experiment
    data: DataOfRows
    """Identities of the prepared data."""
    store: Path
    directory: Path
    """The sweep's own."""
    ledger: Ledger
    stalled: set[str] = field(default_factory=set)
    """Trials whose processes were ended because their storage hung."""
    reopened: set[str] = field(default_factory=set)
    """Failed trials of which the ledger says that they run again, before they do."""
    replicate: Replicate | None = None
    """The search that this is of, where it is one of several."""
    own_ray: bool = False
    """Whether Ray was started for this launch alone."""

    @cached_property
    def searches(self) -> "tuple[SweepContext, ...]":
        """The launch for each of the sweep's searches alone: with its seeds, and its trials."""
        every = self.sweep.search.all_replicates(self.experiment.seed)
        if len(every) == 1:
            return (self,)
        return tuple(
            replace(
                self,
                sweep=self.sweep.of_one_search(one),
                experiment=self.experiment.model_copy(update={"seed": one.seed}),
                replicate=one,
            )
            for one in every
        )

    @property
    def trials(self) -> dict[str, TrialRecord]:
        """The ledger's, of one search its own; in the order in which they were started."""
        mine = self.replicate
        return {name: one for name, one in self.ledger.trials.items() if mine is None or one.seed in mine}

    @property
    def updates_ratios(self) -> dict[str, float]:
        """Own control → its `updates_ratio`, in one search."""
        trials = self.trials
        return {row: ratio for (row, trial), ratio in self.ledger.updates_ratios.items() if trial in trials}

    @cached_property
    def rows(self) -> RowTrials:
        """What trials the sweep's rows have."""
        return RowTrials(self.sweep, self.experiment, self.data, weights_in(self.store))

    @property
    def metrics(self) -> list[str]:
        """The objectives' metrics; the first decides where one must."""
        return [objective.metric for objective in self.sweep.all_objectives()]

    def metrics_of(self, record: TrialRecord) -> list[str]:
        """By which a trial is measured: the objectives; of a start, whose task may differ, what selects epochs."""
        return [record.config["task"]["selection_metric"]] if record.kind == "start" else self.metrics

    def directory_of(self, record: TrialRecord) -> Path:
        """Where a trial's files lie."""
        return record.within(self.directory)

    def worker_config(
        self,
        trial: Trial,
        directory: Path,
        resources: Resources,
        *,
        row: str | None = None,
        interval: TrainInterval | None = None,
    ) -> WorkerConfig:
        """What a process needs to work on a trial, or on an interval of a trial in a population."""
        interval, row = interval or TrainInterval.whole(trial), row or trial.strategy.name
        beside = [record for record in self.ledger.trials.values() if record.row == row]
        return {
            "trial": trial.model_dump_json(),
            "row": row,
            "store": str(self.store),
            "directory": str(directory),
            "resources": resources.model_dump_json(),
            "epochs": trial.training.epochs,
            "settings": interval.settings.model_dump_json(),
            "until_epoch": interval.until_epoch,
            "adopted_update": interval.adopted_update,
            "matmul": self.ledger.matmul,
            "memory_hints": memory_hints(map(self.directory_of, beside)),
        }

    def begin(
        self,
        name: str,
        trial: Trial,
        directory: Path,
        *,
        kind: Kind,
        row: str | None = None,
        params: Mapping[str, ParameterValue] | None = None,
        number: int | None = None,
        confirms: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        matches: str | None = None,
    ) -> None:
        """Write a trial, or another attempt at it, into the ledger before it runs.

        Its row is its strategy's where none is given.
        """
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
            row=row or trial.strategy.name,
            seed=trial.seed,
            params=params or {},
            config=trial.model_dump(mode="json"),
            # Relative, so that a runs folder can be moved.
            directory=os.path.relpath(directory, self.directory),
            number=number,
            turn_epochs=self._interval_epochs if kind == "trial" else 0,
            confirms=confirms,
            attributes=attributes,
            matches=matches,
        )

    @property
    def _interval_epochs(self) -> int:
        return self.sweep.scheduler.interval_epochs if isinstance(self.sweep.scheduler, Pbt) else 0
