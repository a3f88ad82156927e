"""All results of a sweep, as reports need them: trials, histories, and scores on its test sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.compared_units import Units
from intelligen.analysis.decoded import Decoded, Setting, read_decoded
from intelligen.analysis.row_measures import parameters_of
from intelligen.analysis.strategy_table import USABLE, device_seconds, selected_scores
from intelligen.config.metric_direction import best
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.tasks import task_settings
from intelligen.data.data_manifest import Manifest
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import StorageError
from intelligen.state import layout
from intelligen.state.history import Report
from intelligen.state.mlflow_run_ids import RunIds, read_run_ids
from intelligen.state.provenance_files import PACKAGES, read_provenance
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord
from intelligen.state.trial_result import Result
from intelligen.tasks import AnyTask, build_task
from intelligen.training.scores_file import SCORES

BASELINE = "baseline"
"""What strategies are fine-tuned from: it stands in their table, and is compared with nothing."""


@dataclass(frozen=True)
class TestSet:
    """Inputs and references of a test set."""

    __test__ = False  # no test of pytest's

    sources: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True)
class SeedModel:
    """One trial, its history and what it scored."""

    record: TrialRecord
    reports: tuple[Report, ...]
    result: Result | None
    decoded: Mapping[Setting, Decoded]

    @property
    def device_s(self) -> float:
        """Device-seconds of all its epochs."""
        return device_seconds(self.reports)

    @property
    def target_tokens(self) -> int:
        """Target tokens that it trained on."""
        return self.reports[-1].target_tokens if self.reports else 0

    def value(self, metric: str) -> float | None:
        """A validation metric of the weights that count; none where it failed, or no epoch has ended."""
        if self.record.state not in USABLE:
            return None
        return selected_scores(self.result, self.reports, metric).get(metric)


@dataclass(frozen=True)
class System:
    """A strategy, or the baseline, with the models that represent it on the test sets."""

    name: str
    members: tuple[SeedModel, ...]
    """One per seed, in the order of the seeds."""

    def of(self, setting: Setting) -> dict[int, Decoded]:
        """Seed → a test set as the model of that seed translates it."""
        found = {member.record.seed: member.decoded.get(setting) for member in self.members}
        return {seed: decoded for seed, decoded in found.items() if decoded is not None}


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report says, as plain values."""

    directory: Path
    sweep: Sweep
    """As last launched."""
    fingerprint: Mapping[str, Any]
    """Of the ledger: what it started with."""
    members: tuple[SeedModel, ...]
    """All trials, in the order in which they were started."""
    test_sets: Mapping[str, TestSet]
    """The test set in the domain first."""
    data: Manifest | None
    """Of the prepared data; none as long as no test set was decoded."""
    tracking_uri: str | None
    runs: RunIds
    """The runs that show it in MLflow, as far as they are known."""
    given: Sequence[str]
    """The sweep's file and the overrides as `run` was last given them; empty where that is not known."""
    environment: str
    """Machine and packages at the start; empty where they were not recorded."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Variant → weights of its network, as far as its data are there; empty where rows are strategies."""

    @property
    def metric(self) -> str:
        """The objective, measured on the validation set."""
        return self.sweep.objective.metric

    @cached_property
    def task(self) -> AnyTask:
        """How its models are scored, and by which metric test sets rank."""
        return build_task(task_settings(self.fingerprint["experiment"]))

    @property
    def primary(self) -> Setting:
        """The primary comparison: the first test set, by the experiment's own test search."""
        return next(iter(self.test_sets), "test"), _own_search(self.fingerprint, self.task)

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """Every test set and search with hypotheses, the primary one first."""
        found = {setting for member in self.members for setting in member.decoded}
        order = list(self.test_sets)
        return tuple(sorted(found, key=lambda one: (order.index(one[0]), one[1] != self.primary[1], one[1])))

    @property
    def searched(self) -> tuple[SeedModel, ...]:
        """The trials of the search."""
        return tuple(member for member in self.members if member.record.kind == "trial")

    @property
    def confirmations(self) -> tuple[SeedModel, ...]:
        """The trials that repeat a strategy's best under another seed, failed ones among them."""
        return tuple(member for member in self.members if member.record.kind == "confirm")

    @cached_property
    def compared(self) -> ComparedRows:
        """What its rows are."""
        return ComparedRows.of(self.sweep, self.fingerprint["experiment"])

    @cached_property
    def units(self) -> Units:
        """What its comparisons are decided over."""
        return Units.recorded(self.fingerprint)

    def label(self, name: str) -> str:
        """What people read for a row or the baseline."""
        return self.compared.label(name)

    def form(self, score: str) -> str:
        """How a score (`valid/bleu`, `valid/loss`) is written, for `str.format`."""
        return f"{{:{self.task.form(score.partition('/')[2])}}}"

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """In the order in which they first ran."""
        return tuple(dict.fromkeys(member.record.row for member in self.searched + self.confirmations))

    @cached_property
    def systems(self) -> tuple[System, ...]:
        """The compared systems: the baseline, then each strategy with its confirmed models, else its best trial."""
        ran = [member for member in self.members if member.record.state in USABLE]
        kind = "confirm" if self.confirmations else "trial"
        seeds = {member.record.seed for member in self.confirmations or self.members}
        groups = {BASELINE: [m for m in ran if m.record.kind == "baseline" and m.record.seed in seeds]}
        for name in self.strategies:
            own = [member for member in ran if member.record.kind == kind and member.record.row == name]
            tested = [member for member in own if member.decoded] or own
            groups[name] = tested if self.confirmations else self._best(tested)
        return tuple(
            System(name, tuple(sorted(members, key=lambda member: member.record.seed)))
            for name, members in groups.items()
            if members
        )

    def _best(self, members: list[SeedModel]) -> list[SeedModel]:
        values = {m.record.id: value for m in members if (value := m.value(self.metric)) is not None}
        chosen = best(self.metric, values, value=values.__getitem__)
        return [member for member in members if member.record.id == chosen]

    @property
    def sweep_id(self) -> str:
        """Id of the sweep, by which its MLflow runs are found."""
        return str(self.fingerprint["sweep_id"])


def read_study(directory: Path, *, store: Path) -> StudyResults:
    """Read a sweep.

    Args:
        directory: The sweep's.
        store: The runs directory, which holds the prepared data.

    Raises:
        StorageError: Its files, or the prepared data, are damaged or gone.
        ChangedError: Another version wrote them.

    """
    files = SweepFiles(directory)
    (fingerprint, trials, _), launch = files.ledger(), files.launch()
    task = build_task(task_settings(fingerprint["experiment"]))
    own_search = _own_search(fingerprint, task)
    members = tuple(
        SeedModel(
            record,
            tuple(files.reports(record)),
            files.result(record),
            read_decoded(directory, record, own_search, task.ranking.name),
        )
        for record in trials.values()
    )
    named = {split for member in members for split, _ in member.decoded}
    data = open_prepared(layout.prepared(store, fingerprint["prepared"])) if named else None
    study = StudyResults(
        directory=directory,
        sweep=launch.sweep,
        fingerprint=fingerprint,
        members=members,
        test_sets={} if data is None else _read_test_sets(task, data, named),
        data=None if data is None else data.manifest,
        tracking_uri=launch.tracking_uri,
        runs=read_run_ids(directory),
        given=launch.given,
        environment=read_provenance(directory, PACKAGES),
        parameters=_parameters(members, store) if launch.sweep.variants() else {},
    )
    _require_whole(study)
    return study


def _parameters(members: Sequence[SeedModel], store: Path) -> dict[str, int]:
    first = {one.record.row: one.record for one in reversed(members) if one.record.kind == "trial"}
    places = {row: layout.prepared(store, record.config["prepared"]) for row, record in first.items()}
    return {row: parameters_of(first[row], open_prepared(place)) for row, place in places.items() if place.is_dir()}


def _read_test_sets(task: AnyTask, data: Prepared, named: set[str]) -> dict[str, TestSet]:
    """The test sets that were decoded; `test`, which nearly all data have, comes first."""
    splits = {name: data.split(name) for name in sorted(named, key=lambda name: (name != "test", name))}
    return {name: TestSet(tuple(task.inputs(one)), tuple(task.references(one))) for name, one in splits.items()}


def _own_search(fingerprint: Mapping[str, Any], task: AnyTask) -> str:
    """The name of the experiment's own test search; empty where models write no text that could be searched for."""
    return str(fingerprint["experiment"]["decoding"]["test"]["name"]) if task.settings.writes_text else ""


def _require_whole(study: StudyResults) -> None:
    for member in study.members:
        for (split, search), decoded in member.decoded.items():
            found, wanted = len(decoded.hypotheses), len(study.test_sets[split].references)
            if found != wanted:
                file = "-".join(part for part in (split, search) if part)
                path = member.record.within(study.directory) / SCORES / f"{file}.json"
                what = f"has {found} hypotheses for {wanted} references"
                raise StorageError(f"{path}: {what}: restore it from a copy, or decode the test set again")
