"""Status of a sweep, from its ledger and histories: plain values for people, scripts and notebooks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from intelligen.analysis.best_settings import BestSettings, SweepSettings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.eta import Eta, SearchSize, search_eta
from intelligen.analysis.mlflow_links import compare_lines
from intelligen.analysis.row_status import (
    Histories,
    StrategyStatus,
    count_states,
    row_statuses,
    shown_settings,
    with_settings,
)
from intelligen.analysis.sweep_results import TableWords
from intelligen.config.schema.tasks import task_settings
from intelligen.state.history import Report
from intelligen.state.ledger import LOCK_FILE
from intelligen.state.lock_owner import LockOwner, find_lock_owner
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.sweep_files import PAUSED, SweepFiles
from intelligen.state.trial_records import Closing, TrialRecord, TrialState


class SweepState(StrEnum):
    """What a sweep does, or how its last launch ended."""

    RUNNING = "running"
    COMPLETE = "complete"
    PAUSED = "paused"
    """Its last launch was to end with a stage before the last one."""
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    KILLED = "killed"
    """Its last launch ended without closing the ledger."""


@dataclass(frozen=True)
class TrialStatus:
    """A trial that has not ended."""

    trial: str
    strategy: str
    epoch: int
    """Whole epochs."""
    epochs: int
    value: float | None
    """The objective after the last epoch."""
    attempts: int
    started_ms: int
    resting: bool
    """Paused: it waits for its population, or for resources."""


@dataclass(frozen=True)
class Status:
    """A sweep as of now."""

    name: str
    question: str
    directory: Path
    state: SweepState
    holder: LockOwner | None
    """Who runs it; not certain for another host."""
    objective: str
    budget: dict[str, float]
    """What ends the search, as the sweep names it."""
    budget_trials: int | None
    """Trials in all, or those that a larger budget has begun; none where other budgets alone end the search."""
    trials: dict[str, int]
    """State → count in the search; baselines and repetitions apart."""
    confirmed: dict[str, int]
    """State → count of the trainings that repeat the best trials with other seeds."""
    confirmations: int
    """How many of these there may be, where every strategy has a trial to repeat."""
    least_confirmations: int
    """How many of them there are in any case: the others depend on what looks at the test scores decide."""
    strategies: tuple[StrategyStatus, ...]
    under_way: tuple[TrialStatus, ...]
    eta: Eta | None
    """Of search and confirmation, while the sweep runs and a trial has ended."""
    tracking_uri: str | None
    comparison: tuple[str, ...]
    """How to open the prepared comparison in MLflow: a command where one is needed, then the address."""
    last_sign_ms: int
    """When the ledger or a history last changed."""
    best: tuple[BestSettings, ...] = ()
    """The best trial of each row, as lines that can be pasted into a file."""
    settings_use: str = ""
    """Where."""
    words: TableWords = field(default_factory=TableWords)
    """For people: what rows are called, and how scores are written."""

    @property
    def ended(self) -> int:
        """Number of trials that have ended, in whatever way."""
        return _ended(self.trials)

    @property
    def confirmations_ended(self) -> int:
        """Likewise of confirmations."""
        return _ended(self.confirmed)

    @property
    def ended_words(self) -> str:
        """`3 of 8`, or `3` where trials have no bound."""
        return str(self.ended) if self.budget_trials is None else f"{self.ended} of {self.budget_trials}"

    @property
    def unfinished(self) -> bool:
        """Whether it has more to do, and no launch is running."""
        short = self.budget_trials is not None and self.ended < self.budget_trials
        return self.state is not SweepState.RUNNING and (self.state is not SweepState.COMPLETE or short)

    def document(self) -> dict[str, Any]:
        """As JSON; the keys are documented in docs/commands.md."""
        values, compared = asdict(replace(self, words=TableWords())), self.words.compared
        for name in ("words", "best", "settings_use"):
            del values[name]
        values |= {name: [compared.documented(one) for one in values[name]] for name in ("strategies", "under_way")}
        named = {compared.words if key == "strategies" else key: value for key, value in values.items()}
        return {"format": 1, **named, "directory": str(self.directory)}


def _ended(counts: Mapping[str, int]) -> int:
    return sum(count for state, count in counts.items() if state not in (TrialState.RUNNING, PAUSED))


def read_status(files: SweepFiles) -> Status:
    """Read the status of a sweep.

    Raises:
        StorageError: Its files are damaged.
        ChangedError: Another version wrote them.

    """
    owner = find_lock_owner(files.directory / LOCK_FILE)
    fingerprint, trials, closing = files.ledger()
    launch = files.launch()
    sweep = launch.sweep
    histories = {name: files.reports(record) for name, record in trials.items()}
    searched, repeated = (_of_kind(kind, trials) for kind in ("trial", "confirm"))
    state = _state(owner, closing)
    group = "training" if sweep.trains else "finetuning"
    epochs = fingerprint["experiment"][group]["epochs"]
    size = SearchSize.of(sweep, epochs=epochs, concurrent=launch.concurrent_trials)
    ran, ran_again = ([(record, histories[record.id]) for record in records] for records in (searched, repeated))
    metric = sweep.objective.metric
    counted = task_settings(fingerprint["experiment"]).counted
    rows = row_statuses(files, trials, histories, metric, counted)
    words = TableWords(ComparedRows.of(sweep), counted=counted)
    settings = SweepSettings.read(files)
    rows = [with_settings(row, trials, settings) for row in rows]
    rows.sort(key=lambda row: words.compared.position(row.strategy))
    return Status(
        name=sweep.name,
        question=sweep.question,
        directory=files.directory,
        state=state,
        holder=owner if state is SweepState.RUNNING else None,
        objective=metric,
        budget=sweep.budget.model_dump(exclude_none=True),
        budget_trials=None if size.trials is None else max(size.trials, len(searched)),
        trials=count_states(files, searched),
        confirmed=count_states(files, repeated),
        confirmations=size.repetitions,
        least_confirmations=size.least_repetitions,
        strategies=tuple(rows),
        under_way=tuple(
            _under_way(record, histories[record.id], metric, paused=files.state(record) == PAUSED)
            for record in trials.values()
            if record.state is TrialState.RUNNING
        ),
        eta=search_eta(ran, size, repeated=ran_again) if state is SweepState.RUNNING else None,
        tracking_uri=launch.tracking_uri,
        comparison=_comparison(files.directory, launch.tracking_uri),
        last_sign_ms=_last_sign_ms(trials, histories, closing),
        best=tuple(shown_settings(rows, trials, settings, metric, words)),
        settings_use=settings.how_to_use,
        words=words,
    )


def _comparison(directory: Path, tracking_uri: str | None) -> tuple[str, ...]:
    return () if tracking_uri is None else tuple(compare_lines(tracking_uri, read_run_ids(directory)))


def runner(files: SweepFiles) -> LockOwner | None:
    """The process that runs the sweep, by its lock and its ledger alone; None where none does."""
    owner = find_lock_owner(files.directory / LOCK_FILE)
    return owner if _state(owner, files.ledger()[2]) is SweepState.RUNNING else None


def _of_kind(kind: str, trials: Mapping[str, TrialRecord]) -> list[TrialRecord]:
    return [record for record in trials.values() if record.kind == kind]


def _state(owner: LockOwner | None, closing: Closing | None) -> SweepState:
    if owner is not None and (owner.certain or closing is None):
        return SweepState.RUNNING
    return SweepState.KILLED if closing is None else SweepState(closing.status)


def _under_way(record: TrialRecord, reports: Sequence[Report], metric: str, *, paused: bool) -> TrialStatus:
    return TrialStatus(
        trial=record.id,
        strategy=record.table_row,
        epoch=len(reports),
        epochs=record.config["training"]["epochs"],
        value=reports[-1].metrics.get(metric) if reports else None,
        attempts=record.attempts,
        started_ms=record.started_ms,
        resting=paused,
    )


def _last_sign_ms(trials: Mapping[str, TrialRecord], histories: Histories, closing: Closing | None) -> int:
    times = [record.ended_ms or record.started_ms for record in trials.values()]
    times += [reports[-1].time_ms for reports in histories.values() if reports]
    return max([*times, closing.time_ms if closing is not None else 0])
