"""`plan`: settings, some trials, machines, and what they cost, before anything runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import torch

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.files.suggested_fixes import typed_for_sweep
from intelligen.config.load import row_experiments, trial_experiment
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.data.data_summary import shared_rows
from intelligen.data.data_warnings import data_warnings
from intelligen.errors import ConfigError, UnavailableError
from intelligen.state import layout
from intelligen.state.ledger import recorded_devices
from intelligen.state.redaction import redact
from intelligen.sweep.cluster.capacity import Capacity
from intelligen.sweep.cluster.device_choice import devices_line, on_devices
from intelligen.sweep.cluster.find_cluster import Cluster
from intelligen.sweep.preflight.memory_check import MemoryCheck
from intelligen.sweep.preflight.plan_html import plan_html
from intelligen.sweep.preflight.planned_power import power_lines
from intelligen.sweep.preflight.resource_survey import capacity_at
from intelligen.sweep.preflight.sweep_warnings import sweep_warnings, too_short
from intelligen.sweep.preflight.trial_times import CostEstimate, TrialTimes
from intelligen.sweep.row_data import PreparedRows
from intelligen.sweep.search.define_by_run import chosen_row, suggest
from intelligen.training.timing import TimeRange

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
    based_on: str | None
    """What the cost was measured by; none where nothing was timed."""
    leaves_out: tuple[str, ...]
    """What the cost does not count."""
    power: tuple[str, ...]
    """What a study with confirmed seeds can find, a line each."""
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

    def _repr_html_(self) -> str:
        """In a notebook."""
        return plan_html(self.document())


def make_plan(
    sweep: Sweep,
    experiment: Experiment,
    *,
    store: Path,
    calibrate: bool,
    prepare: Callable[[], PreparedRows],
    cluster: Cluster | None = None,
    overrides: Sequence[str] = (),
) -> Plan:
    """Look at what is there, draw some trials, and time a few updates of each.

    Args:
        sweep: Its settings.
        experiment: Its experiment.
        store: The runs directory: a baseline that is there already costs nothing.
        calibrate: Whether to time anything.
        prepare: Finds or makes the experiment's data, where there is something to time.
        cluster: Where the sweep would run; none = on this machine.
        overrides: Of the experiment, for the commands that warnings name.

    Raises:
        ConfigError: The task lacks a setting without which these data cannot be scored.
        UnavailableError: The cluster does not answer.

    """
    capacity = capacity_at(cluster)
    asked = sweep
    sweep, refusal = _on_devices(asked, capacity, recorded_devices(layout.sweep(store, sweep.name)))
    no_cost = _why_not_timed(sweep, calibrate=calibrate, refused=refusal is not None)
    prepared = None if no_cost is not None else prepare()
    memory = MemoryCheck(sweep, experiment=experiment.name, shares_host=cluster is None, overrides=overrides)
    timed = None if prepared is None else TrialTimes(sweep, experiment, prepared, store, memory)
    rows = row_experiments(sweep, experiment)
    trials = tuple(_trial(changes, experiment, rows, timed) for changes in _sampled(sweep))
    one = _mean_trial(trials, sweep)
    cost = None if timed is None or one is None else timed.cost(one)
    if cost is None and memory.short:
        no_cost = "an update does not fit into the memory here"
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
        cost=cost,
        no_cost=no_cost,
        based_on=None if cost is None else _based_on(sweep),
        leaves_out=LEAVES_OUT,
        power=tuple(power_lines(sweep, experiment, store=store)),
        warnings=(
            *sweep_warnings(sweep, experiment),
            *_of_data(prepared),
            *_of_times(sweep, one, timed, memory),
        ),
        refusal=refusal,
    )


def _based_on(sweep: Sweep) -> str:
    """While other work has the processor, processor time does not go on."""
    clock = "time on a GPU" if sweep.resources.gpus else "processor time"
    return f"the {clock} of a few updates and part of a validation, measured here"


def _of_times(sweep: Sweep, trial_s: TimeRange | None, timed: TrialTimes | None, memory: MemoryCheck) -> Iterator[str]:
    """Lines on what the timed updates have shown."""
    if trial_s is not None:
        yield from too_short(sweep, trial_s)
    yield from memory.warnings
    if timed is not None:
        yield from timed.suggestions


def _of_data(prepared: PreparedRows | None) -> dict[str, None]:
    """Lines on what the rows' data are, each once; none where nothing was prepared."""
    every = () if prepared is None else prepared.each_once()
    return dict.fromkeys(typed_for_sweep(line) for one in every for line in data_warnings(one.manifest))


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
        return "skipped by --no-calibrate"
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
    changes: Mapping[str, Any], experiment: Experiment, rows: Mapping[str, Experiment], timed: "TrialTimes | None"
) -> SampledTrial:
    name = chosen_row(changes, experiment)
    try:
        trial_experiment(experiment, rows, changes)
    except ConfigError as error:
        return SampledTrial(name, dict(changes), " ".join(str(error).split()), None)
    return SampledTrial(name, dict(changes), None, None if timed is None else timed.trial(changes))


def _mean_trial(trials: tuple[SampledTrial, ...], sweep: Sweep) -> TimeRange | None:
    """Seconds of a trial, each row in equal shares: as the budget gives them, or for want of knowing better.

    A trial of an own control takes as long as one of its strategy, so that it takes this long.
    """
    by_row: dict[str, list[TimeRange]] = {}
    for trial in trials:
        if trial.seconds is not None:
            by_row.setdefault(trial.strategy, []).append(trial.seconds)
    by_row |= {row: by_row[name] for row, name in sweep.own_controls().items() if name in by_row}
    if not by_row:
        return None
    return _mean([_mean(spans) for spans in by_row.values()])


def _mean(spans: list[TimeRange]) -> TimeRange:
    return TimeRange(fmean(span.low for span in spans), fmean(span.high for span in spans))
