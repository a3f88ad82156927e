"""Trials of a sweep's rows: what a suggestion becomes, and which baseline it starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from intelligen.config.load import row_experiments, trial_experiment
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial, training_trial
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.training import Training
from intelligen.sweep.row_data import DataOfRows


@dataclass(frozen=True)
class RowTrials:
    """The settings of a sweep's trials, row by row."""

    sweep: Sweep
    experiment: Experiment
    data: DataOfRows

    @cached_property
    def experiments(self) -> Mapping[str, Experiment]:
        """Row → its experiment; empty where rows are strategies."""
        return row_experiments(self.sweep, self.experiment)

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds with which the best configurations are trained again; the search has not seen them."""
        return self.sweep.confirmation_seeds(self.experiment.seed)

    @property
    def epochs(self) -> int:
        """Of a trial that finishes, as its row has them: the most of any row."""
        return max(self._training(one).epochs for one in self.experiments.values() or (self.experiment,))

    def row_of(self, changes: Mapping[str, Any]) -> str | None:
        """The variant that a suggestion names; none where rows are strategies."""
        return str(changes[ROW]) if self.experiments else None

    @property
    def baselines(self) -> dict[str, Trial]:
        """Name → baseline, each once: seed by seed, first those that the search starts from."""
        if self.sweep.trains:
            return {}
        named: dict[str, Trial] = {}
        for seed in (self.experiment.seed, *self.confirmation_seeds):
            for row in self.experiments or (None,):
                trial = self.baseline(seed, row)
                if trial not in named.values():
                    named[f"baseline-{seed}" if row is None else f"baseline-{row}-{seed}"] = trial
        return named

    def baseline(self, seed: int, row: str | None) -> Trial:
        """What every trial of this seed and row starts from."""
        experiment = self.experiment if row is None else self.experiments[row]
        return baseline_trial(experiment.model_copy(update={"seed": seed}), prepared=self.data.of(row))

    def trial(self, changes: Mapping[str, Any]) -> Trial:
        """The trial that has these values.

        Raises:
            ConfigError: They do not go together.

        """
        experiment, row = trial_experiment(self.experiment, self.experiments, changes), self.row_of(changes)
        if self.sweep.trains:
            return training_trial(experiment, prepared=self.data.of(row))
        start = self.baseline(self.experiment.seed, row).identity
        return finetuning_trial(experiment, prepared=self.data.of(row), start=start)

    def repeated(self, trial: Trial, *, row: str, seed: int) -> Trial:
        """A trial of the search with another seed, from that seed's baseline."""
        start = None if self.sweep.trains else self.baseline(seed, row if self.experiments else None).identity
        return trial.model_copy(update={"seed": seed, "start": start})

    def _training(self, experiment: Experiment) -> Training:
        return experiment.training if self.sweep.trains else experiment.finetuning
