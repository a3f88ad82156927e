"""Trials of a sweep's rows: what a suggestion becomes, which baseline it starts from, and whose weights that does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from intelligen.config.load import row_experiments, trial_experiment
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial, training_trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.training import Training
from intelligen.data.prepared_data import open_prepared
from intelligen.state import layout
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.row_starts import ALL_ROWS
from intelligen.training.initial_weights import initial_weights

_BASELINE = "baseline-"
"""How the names of baselines begin, and of nothing else that rows start from."""

FindWeights = Callable[[Experiment, str, Trial], InitialWeights]
"""Experiment, identity of its data, and the pre-training that it starts from, which has finished → initial weights."""


@dataclass(frozen=True)
class Start:
    """A run that trials start from."""

    trial: Trial
    row: str | None
    """What tables call it; None of a baseline where rows are strategies."""


@dataclass(frozen=True)
class RowTrials:
    """The settings of a sweep's trials, row by row."""

    sweep: Sweep
    experiment: Experiment
    data: DataOfRows
    weights: FindWeights
    _known: dict[tuple[str | None, int], InitialWeights | None] = field(default_factory=dict)

    @cached_property
    def experiments(self) -> Mapping[str, Experiment]:
        """Row → its experiment; empty where rows are strategies."""
        return row_experiments(self.sweep, self.experiment)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the searches, then those that confirm what they found in any case."""
        confirm, searches = self.sweep.confirm, self.search_seeds
        least = 0 if confirm is None else confirm.at_least
        return (*searches, *(seed + number for seed in searches for number in range(1, least + 1)))

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """With which trials of the searches are trained: one of each."""
        return tuple(one.seed for one in self.sweep.search.all_replicates(self.experiment.seed))

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """Seeds with which the best configurations may be trained again; the search has not seen them."""
        return self.sweep.confirmation_seeds(self.experiment.seed)

    @property
    def epochs(self) -> int:
        """Of a trial that finishes, as its row has them: the most of any row."""
        return max(self._training(one).epochs for one in self.experiments.values() or (self.experiment,))

    def row_of(self, changes: Mapping[str, Any]) -> str | None:
        """The variant that a suggestion names; none where rows are strategies."""
        return str(changes[ROW]) if self.experiments else None

    @property
    def pretrainings(self) -> dict[str, Start]:
        """Name → run of another experiment whose weights rows start from, each once, seed by seed."""
        return self.pretrainings_with(self.seeds)

    def pretrainings_with(self, seeds: Sequence[int]) -> dict[str, Start]:
        """The same with other seeds."""
        named: dict[str, Start] = {}
        for seed in seeds:
            for row in self.experiments or (None,):
                trial = self._pretraining(row, seed)
                if trial is not None and all(trial != one.trial for one in named.values()):
                    name = f"{trial.experiment}-{seed}"
                    taken = name in named or name.startswith(_BASELINE)
                    named[f"{name}-{trial.identity}" if taken else name] = Start(trial, trial.experiment)
        return named

    @property
    def baselines(self) -> dict[str, Start]:
        """Name → baseline, each once: seed by seed, first those that the search starts from.

        The pre-trainings that they start from have finished: the weights are part of a baseline's identity.
        """
        return self.baselines_with(self.seeds)

    def baselines_with(self, seeds: Sequence[int]) -> dict[str, Start]:
        """The same with other seeds."""
        if self.sweep.trains:
            return {}
        named: dict[str, Start] = {}
        for seed in seeds:
            for row in self.experiments or (None,):
                trial = self.baseline(seed, row)
                if all(trial != one.trial for one in named.values()):
                    whose = None if row is None else f"{_BASELINE}{row}"
                    named[f"{_BASELINE}{seed}" if whose is None else f"{whose}-{seed}"] = Start(trial, whose)
        return named

    def baseline(self, seed: int, row: str | None) -> Trial:
        """What every trial of this seed and row starts from; the pre-training that it needs itself has finished."""
        return baseline_trial(self._experiment(row, seed), prepared=self.data.of(row), initial=self._initial(row, seed))

    def trial(self, changes: Mapping[str, Any]) -> Trial:
        """The trial that has these values.

        Raises:
            ConfigError: They do not go together.

        """
        experiment, row = trial_experiment(self.experiment, self.experiments, changes), self.row_of(changes)
        prepared, initial = self.data.of(row), self._initial(row, self.experiment.seed)
        if self.sweep.trains:
            return training_trial(experiment, prepared=prepared, initial=initial)
        start = self.baseline(self.experiment.seed, row).identity
        return finetuning_trial(experiment, prepared=prepared, start=start, initial=initial)

    def repeated(self, trial: Trial, *, row: str, seed: int) -> Trial:
        """A trial of the search with another seed, from that seed's baseline and initial weights."""
        own = row if self.experiments else None
        changes: dict[str, Any] = {"seed": seed}
        if not self.sweep.trains:
            changes["start"] = self.baseline(seed, own).identity
        if trial.initial is not None:
            changes["initial"] = self._initial(own, seed)
        return trial.model_copy(update=changes)

    def _initial(self, row: str | None, seed: int) -> InitialWeights | None:
        if (row, seed) not in self._known:
            pretraining = self._pretraining(row, seed)
            self._known[row, seed] = (
                self.data.starts.imported.get(_key(row))
                if pretraining is None
                else self.weights(self._experiment(row, seed), self.data.of(row), pretraining)
            )
        return self._known[row, seed]

    def _pretraining(self, row: str | None, seed: int) -> Trial | None:
        trial = self.data.starts.pretraining.get(_key(row))
        return None if trial is None else trial.model_copy(update={"seed": seed})

    def _experiment(self, row: str | None, seed: int) -> Experiment:
        experiment = self.experiment if row is None else self.experiments[row]
        return experiment.model_copy(update={"seed": seed})

    def _training(self, experiment: Experiment) -> Training:
        return experiment.training if self.sweep.trains else experiment.finetuning


def weights_in(store: Path) -> FindWeights:
    """Weights of pre-trainings as they lie in a runs directory, or are taken into its store now."""

    def weights(experiment: Experiment, prepared: str, pretraining: Trial) -> InitialWeights:
        run = layout.baseline(store, pretraining.identity)
        data = open_prepared(layout.prepared(store, prepared))
        found = initial_weights(experiment, prepared=data, store=store, run=run)
        assert found is not None, "the experiment names none"
        return found

    return weights


def _key(row: str | None) -> str:
    return ALL_ROWS if row is None else row
