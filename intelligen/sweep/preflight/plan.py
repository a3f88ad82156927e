"""`plan`: settings, some trials, machines, and what they cost, before anything runs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import torch

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.load import row_experiments, trial_experiment
from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.config.schema.sweep import Resources, Sweep
from intelligen.data.data_summary import shared_rows
from intelligen.errors import ConfigError, UnavailableError
from intelligen.state import layout
from intelligen.state.ledger import recorded_devices
from intelligen.state.redaction import redact
from intelligen.state.trial_result import read_result
from intelligen.sweep.cluster.capacity import Capacity
from intelligen.sweep.cluster.device_choice import devices_line, on_devices
from intelligen.sweep.cluster.find_cluster import Cluster
from intelligen.sweep.preflight.resource_survey import capacity_at
from intelligen.sweep.preflight.sweep_warnings import sweep_warnings, too_short
from intelligen.sweep.row_data import PreparedRows
from intelligen.sweep.row_trials import FindWeights, RowTrials, weights_in
from intelligen.sweep.search.define_by_run import chosen_row, suggest
from intelligen.tasks import build_task
from intelligen.training.initial_weights import expected_weights
from intelligen.training.selected_weights import selected_weights
from intelligen.training.timing import Bench, TimeRange, time_epoch, time_validation

SAMPLED_TRIALS = 5
LEAVES_OUT = (
    "early stops, which shorten the search",
    "starting Ray and its trials, preparing data, the test stage",
    "the pre-training of discriminators, trials that fail",
    "other work on these machines, and trials that share a processor's memory",
)


@dataclass(frozen=True)
class SampledTrial:
    """A trial at a random point of the space, and what it would cost."""

    strategy: str
    """Its row, which is a strategy or a variant."""
    settings: dict[str, Any]
    """Dotted experiment key → value."""
    refused: str | None
    """Why its values do not go together; such a trial fails."""
    seconds: TimeRange | None
    """Of training and validation, if it finishes; none where it was not measured."""


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


@dataclass(frozen=True)
class Plan:
    """What a sweep would do, on which resources, and at what cost."""

    sweep: Sweep
    experiment: Experiment
    place: str
    """Whose processors and GPUs were counted: this machine's or a cluster's."""
    cpus: int
    gpus: int
    devices: str
    """What each stage takes of these, what was lowered for want of GPUs, and what is idle."""
    concurrent_fit: int
    """Trials that these would hold at once."""
    data: tuple[str, ...]
    """What the prepared splits share, a line each; empty where nothing was prepared."""
    trials: tuple[SampledTrial, ...]
    cost: CostEstimate | None
    no_cost: str | None
    """Why nothing was timed; none too where no number of trials bounds the sweep."""
    leaves_out: tuple[str, ...]
    """What the cost does not count."""
    warnings: tuple[str, ...]
    refusal: str | None
    """Why the sweep cannot run here."""

    def document(self) -> dict[str, Any]:
        """As JSON; the keys are documented in docs/commands.md."""
        plain = {name: value for name, value in vars(self).items() if name not in ("sweep", "experiment")}
        compared = ComparedRows.of(self.sweep)
        plain["trials"] = [compared.documented(asdict(trial)) for trial in self.trials]
        plain["cost"] = None if self.cost is None else asdict(self.cost)
        settings = {"sweep": self.sweep.model_dump(mode="json"), "experiment": self.experiment.model_dump(mode="json")}
        document: dict[str, Any] = redact({"format": 1, **settings, **plain})
        return document


def make_plan(
    sweep: Sweep,
    experiment: Experiment,
    *,
    store: Path,
    calibrate: bool,
    prepare: Callable[[], PreparedRows],
    cluster: Cluster | None = None,
) -> Plan:
    """Look at what is there, draw some trials, and time a few updates of each.

    Args:
        sweep: Its settings.
        experiment: Its experiment.
        store: The runs directory: a baseline that is there already costs nothing.
        calibrate: Whether to time anything.
        prepare: Finds or makes the experiment's data, where there is something to time.
        cluster: Where the sweep would run; none = on this machine.

    Raises:
        ConfigError: The task lacks a setting without which these data cannot be scored.
        UnavailableError: The cluster does not answer.

    """
    capacity = capacity_at(cluster)
    asked = sweep
    sweep, refusal = _on_devices(asked, capacity, recorded_devices(layout.sweep(store, sweep.name)))
    no_cost = _why_not_timed(sweep, calibrate=calibrate, refused=refusal is not None)
    prepared = None if no_cost is not None else prepare()
    timed = None if prepared is None else _Timed(sweep, experiment, prepared, store)
    rows = row_experiments(sweep, experiment)
    trials = tuple(_trial(changes, experiment, rows, timed) for changes in _sampled(sweep))
    one = _mean_trial(trials)
    return Plan(
        sweep=sweep,
        experiment=experiment,
        place=capacity.location,
        cpus=capacity.cpus,
        gpus=capacity.gpus,
        devices=devices_line(asked, sweep, capacity),
        concurrent_fit=capacity.fitting(sweep.resources),
        data=() if prepared is None else tuple(shared_rows(prepared.shared.manifest)),
        trials=trials,
        cost=None if timed is None or one is None else timed.cost(one),
        no_cost=no_cost,
        leaves_out=LEAVES_OUT,
        warnings=(*sweep_warnings(sweep, experiment), *(() if one is None else too_short(sweep, one))),
        refusal=refusal,
    )


def _sampled(sweep: Sweep) -> list[dict[str, Any]]:
    """Random points of the space, rows in round robin; the search itself draws others."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=sweep.search.seed))
    rows = sweep.row_ids()
    count = max(SAMPLED_TRIALS if sweep.space else 0, len(rows))
    for number in range(count if rows else 0):
        study.enqueue_trial({sweep.row_parameter: rows[number % len(rows)]})
    return [suggest(study.ask(), sweep.searched) for _ in range(count)]


def _why_not_timed(sweep: Sweep, *, calibrate: bool, refused: bool) -> str | None:
    if not calibrate:
        return "it was not requested"
    if refused:
        return "the sweep cannot run here"
    if (sweep.resources.gpus or sweep.baseline.gpus) and not torch.cuda.is_available():
        return "the trials need GPUs, and this machine has none for the timing"
    return None


def _on_devices(sweep: Sweep, capacity: Capacity, recorded: Mapping[str, int]) -> tuple[Sweep, str | None]:
    """The sweep as it would run, and why it cannot."""
    try:
        fitted = on_devices(sweep, capacity, recorded)
        capacity.require(fitted)
    except UnavailableError as error:
        return on_devices(sweep, capacity, {}), str(error)
    return fitted, None


def _trial(
    changes: Mapping[str, Any], experiment: Experiment, rows: Mapping[str, Experiment], timed: "_Timed | None"
) -> SampledTrial:
    name = chosen_row(changes, experiment)
    try:
        trial_experiment(experiment, rows, changes)
    except ConfigError as error:
        return SampledTrial(name, dict(changes), " ".join(str(error).split()), None)
    return SampledTrial(name, dict(changes), None, None if timed is None else timed.trial(changes))


def _mean_trial(trials: tuple[SampledTrial, ...]) -> TimeRange | None:
    """Seconds of a trial, each row in equal shares: as the budget gives them, or for want of knowing better."""
    by_row: dict[str, list[TimeRange]] = {}
    for trial in trials:
        if trial.seconds is not None:
            by_row.setdefault(trial.strategy, []).append(trial.seconds)
    if not by_row:
        return None
    return _mean([_mean(spans) for spans in by_row.values()])


def _mean(spans: list[TimeRange]) -> TimeRange:
    return TimeRange(fmean(span.low for span in spans), fmean(span.high for span in spans))


def _weights_as_far_as_known(store: Path) -> FindWeights:
    """Those of finished pre-trainings; for others stand weights that take an update as long, and no baseline has."""
    trained = weights_in(store)

    def weights(experiment: Experiment, prepared: str, pretraining: Trial) -> InitialWeights:
        if read_result(layout.baseline(store, pretraining.identity)) is not None:
            return trained(experiment, prepared, pretraining)
        assert experiment.initial is not None
        return expected_weights(experiment.initial, pretraining)

    return weights


class _Timed:
    """Measures trials of one sweep; a row's validation once, since it is the same for all its trials."""

    def __init__(self, sweep: Sweep, experiment: Experiment, prepared: PreparedRows, store: Path) -> None:
        build_task(experiment.task).require_scorable(prepared.shared, key="experiment.task")
        self._sweep = sweep
        self._store = store
        self._prepared = {one.identity: one for one in prepared.each_once()}
        self._validations: dict[str, TimeRange] = {}
        self.rows = RowTrials(sweep, experiment, prepared.identities(), _weights_as_far_as_known(store))

    def trial(self, changes: Mapping[str, Any]) -> TimeRange:
        """Seconds of a trial that finishes, the validation of its start included."""
        trial, row = self.rows.trial(changes), self.rows.row_of(changes)
        if trial.start is None:
            return self._seconds(trial, row or "", self._sweep.resources, validations=trial.training.epochs)
        baseline = self.rows.baseline(trial.seed, row)
        start = selected_weights(layout.baseline(self._store, baseline.identity)) if self._is_there(baseline) else None
        validations = trial.training.epochs + 1
        return self._seconds(trial, row or "", self._sweep.resources, validations=validations, start=start)

    def cost(self, trial_s: TimeRange) -> CostEstimate | None:
        """Of the whole sweep; none where no number of trials bounds it."""
        total, again = self._sweep.total_trials(), self._sweep.total_repetitions()
        if total is None:
            return None
        baseline, missing = TimeRange(0.0, 0.0), self._missing()
        for name, trials in missing.items():
            one = self._seconds(trials[0], name, self._sweep.baseline, validations=trials[0].training.epochs)
            baseline += one.times(len(trials))
        resources = self._sweep.resources
        search, confirm = (
            trial_s.times(count / max(1, min(count, resources.concurrent_trials))) for count in (total, again)
        )
        devices = baseline.times(self._sweep.baseline.workers) + trial_s.times((total + again) * resources.workers)
        at_once = min(max(1, sum(map(len, missing.values()))), self._sweep.baselines_at_once())
        return CostEstimate(baseline.times(1 / at_once), search, confirm, devices.times(1 / 3600))

    def _missing(self) -> dict[str, list[Trial]]:
        """Pre-trainings and baselines that are not there yet, in groups that differ in nothing but their seeds."""
        groups: dict[str, list[Trial]] = {}
        for trial in (one.trial for one in (*self.rows.pretrainings.values(), *self.rows.baselines.values())):
            if not self._is_there(trial):
                groups.setdefault(trial.model_copy(update={"seed": 0}).identity, []).append(trial)
        return groups

    def _is_there(self, baseline: Trial) -> bool:
        return read_result(layout.baseline(self._store, baseline.identity)) is not None

    def _seconds(
        self, trial: Trial, group: str, resources: Resources, *, validations: int, start: Path | None = None
    ) -> TimeRange:
        """Of a whole trial; a validation takes as long for all trials of a group."""
        if group not in self._validations:
            self._validations[group] = time_validation(trial, self._bench(trial, self._sweep.resources, start))
        alone = time_epoch(trial, self._bench(trial, resources, start)).times(trial.training.epochs)
        alone += self._validations[group].times(validations)
        # Workers share an update at best in equal parts, and at worst to no use.
        return TimeRange(alone.low / resources.workers, alone.high)

    def _bench(self, trial: Trial, resources: Resources, start: Path | None) -> Bench:
        device = torch.device("cuda", 0) if resources.gpus else torch.device("cpu")
        return Bench(self._prepared[trial.prepared], device, resources.cpus_per_worker, start)
