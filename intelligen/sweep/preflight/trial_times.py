"""Times of a sweep's trials, and what the whole sweep would cost: measured on a few updates on this machine."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import MemoryShortageError
from intelligen.state import layout
from intelligen.state.trial_result import read_result
from intelligen.sweep.preflight.bf16_suggestion import bf16_suggestion
from intelligen.sweep.preflight.memory_check import MemoryCheck
from intelligen.sweep.row_data import PreparedRows
from intelligen.sweep.row_trials import FindWeights, RowTrials, weights_in
from intelligen.tasks import build_task
from intelligen.training.initial_weights import expected_weights
from intelligen.training.matmul_choice import chosen_matmul
from intelligen.training.runtime import threads_used
from intelligen.training.selected_weights import selected_weights
from intelligen.training.timing import Bench, TimeRange, time_epoch, time_validation


@dataclass(frozen=True)
class CostEstimate:
    """What a sweep is expected to take, from a few updates of its own model on this machine."""

    baseline_s: TimeRange
    """Of the baselines that are not there yet; 0 where all of them are."""
    search_s: TimeRange
    confirm_s: TimeRange
    """Of the trainings that repeat the best trials with other seeds; 0 without any."""
    device_hours: TimeRange
    """Of all of these together."""


def _weights_as_far_as_known(store: Path) -> FindWeights:
    """Those of finished pre-trainings; for others stand weights that take an update as long, and no baseline has."""
    trained = weights_in(store)

    def weights(experiment: Experiment, prepared: str, pretraining: Trial) -> InitialWeights:
        if read_result(layout.baseline(store, pretraining.identity)) is not None:
            return trained(experiment, prepared, pretraining)
        assert experiment.initial is not None
        return expected_weights(experiment.initial, pretraining)

    return weights


class TrialTimes:
    """Measures trials of one sweep; a row's validation once, since it is the same for all its trials."""

    def __init__(
        self, sweep: Sweep, experiment: Experiment, prepared: PreparedRows, store: Path, memory: MemoryCheck
    ) -> None:
        build_task(experiment.task).require_scorable(prepared.shared, key="experiment.task")
        self._sweep = sweep
        self._store = store
        self._memory = memory
        self._compute, self._matmul = experiment.compute, dict[str, Matmul]()
        self._prepared = {one.identity: one for one in prepared.each_once()}
        self._validations: dict[str, TimeRange] = {}
        self._suggestions: dict[str, str | None] = {}
        self.rows = RowTrials(sweep, experiment, prepared.identities(), _weights_as_far_as_known(store))

    @property
    def suggestions(self) -> tuple[str, ...]:
        """One line for each row whose first trial another precision would make faster."""
        return tuple(f"{group}: {one}" if group else one for group, one in self._suggestions.items() if one)

    def trial(self, changes: Mapping[str, Any]) -> TimeRange | None:
        """Seconds of a trial that finishes, the validation of its start included; none where an update does not fit."""
        with suppress(MemoryShortageError):
            return self._trial(changes)
        return None

    def _trial(self, changes: Mapping[str, Any]) -> TimeRange:
        trial, row = self.rows.trial(changes), self.rows.row_of(changes)
        if trial.start is None:
            return self._seconds(trial, row or "", self._sweep.resources, validations=trial.training.epochs)
        baseline = self.rows.baseline(trial.seed, row)
        start = selected_weights(layout.baseline(self._store, baseline.identity)) if self._is_there(baseline) else None
        validations = trial.training.epochs + 1
        return self._seconds(trial, row or "", self._sweep.resources, validations=validations, start=start)

    def cost(self, trial_s: TimeRange) -> CostEstimate | None:
        """Of the whole sweep; none where no number of trials bounds it, or a baseline's update does not fit."""
        with suppress(MemoryShortageError):
            return self._cost(trial_s)
        return None

    def _cost(self, trial_s: TimeRange) -> CostEstimate | None:
        total, fewest, most = (
            self._sweep.total_trials(),
            self._sweep.least_repetitions(),
            self._sweep.total_repetitions(),
        )
        if total is None:
            return None
        total += self._sweep.total_control_trials()
        baseline, missing = TimeRange(0.0, 0.0), self._missing(self.rows.seeds)
        of_all_seeds = self._missing((*self.rows.search_seeds, *self.rows.confirmation_seeds))
        for name, trials in of_all_seeds.items():
            one = self._seconds(trials[0], name, self._sweep.baseline, validations=trials[0].training.epochs)
            baseline += one.between(len(missing.get(name, ())), len(trials))
        resources = self._sweep.resources
        search, confirm = (
            trial_s.between(*(count / max(1, min(count, resources.at_once)) for count in counts))
            for counts in ((total, total), (fewest, most))
        )
        devices = baseline.times(self._sweep.baseline.workers)
        devices += trial_s.between((total + fewest) * resources.workers, (total + most) * resources.workers)
        at_once = min(max(1, sum(map(len, missing.values()))), self._sweep.baselines_at_once())
        return CostEstimate(baseline.times(1 / at_once), search, confirm, devices.times(1 / 3600))

    def _missing(self, seeds: Sequence[int]) -> dict[str, list[Trial]]:
        """Pre-trainings and baselines that are not there yet, in groups that differ in nothing but their seeds."""
        groups: dict[str, list[Trial]] = {}
        starts = (*self.rows.pretrainings_with(seeds).values(), *self.rows.baselines_with(seeds).values())
        for trial in (one.trial for one in starts):
            if not self._is_there(trial):
                groups.setdefault(trial.model_copy(update={"seed": 0}).identity, []).append(trial)
        return groups

    def _is_there(self, baseline: Trial) -> bool:
        return read_result(layout.baseline(self._store, baseline.identity)) is not None

    def _seconds(
        self, trial: Trial, group: str, resources: Resources, *, validations: int, start: Path | None = None
    ) -> TimeRange:
        """Of a whole trial; a validation takes as long for all trials of a group."""
        bench = self._bench(trial, resources, start)
        self._memory.require_fitting(trial, bench, resources)
        if group not in self._validations:
            self._validations[group] = time_validation(trial, self._bench(trial, self._sweep.resources, start))
        epoch = time_epoch(trial, bench)
        if group not in self._suggestions:
            self._suggestions[group] = bf16_suggestion(trial, bench, epoch)
        alone = epoch.times(trial.training.epochs)
        alone += self._validations[group].times(validations)
        # Workers share an update at best in equal parts, and at worst to no use.
        return TimeRange(alone.low / resources.workers, alone.high)

    def _bench(self, trial: Trial, resources: Resources, start: Path | None) -> Bench:
        device = torch.device("cuda", 0) if resources.gpus else torch.device("cpu")
        if device.type not in self._matmul:
            with threads_used(resources.cpus_per_worker):
                chosen = chosen_matmul(self._compute, trial.model, trial.training, device=device)
            self._matmul[device.type] = chosen
        matmul = self._matmul[device.type]
        return Bench(self._prepared[trial.prepared], device, resources.cpus_per_worker, start, matmul)
