"""Records of trials and sweeps: the sum of the ledger's entries, in the order of their numbers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from intelligen.config.schema.compute import Matmul
from intelligen.state.stop_reason import current_reason

ParameterValue = bool | int | float | str | None

Kind = Literal["start", "baseline", "trial", "confirm"]
"""A `confirm` repeats a trial of the search with another seed, from that seed's baseline. A `start` is trained for
others to start from and is not compared: a pre-training, or the baseline of a variant."""
SHARED: tuple[Kind, ...] = ("start", "baseline")
"""They lie outside of the sweep, and others may train them anew."""


class TrialState(StrEnum):
    """How far a trial is."""

    RUNNING = "running"
    COMPLETE = "complete"
    """It finished."""
    PRUNED = "pruned"
    """The scheduler, or the trial itself, stopped it early."""
    FAILED = "failed"


class SweepStatus(StrEnum):
    """How a launch of the sweep ended."""

    COMPLETE = "complete"
    PAUSED = "paused"
    """After the stage that it was to end with."""
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Exploit:
    """A trial of a population goes on from the weights and settings of another one, the donor."""

    epoch: int
    """After which it does."""
    donor: str
    """Whose weights and optimizer it takes."""
    params: Mapping[str, ParameterValue]
    """What it trains with from then on, as the search names it."""


@dataclass(frozen=True)
class Evidence:
    """What a trial's files held when it ended, to detect later changes."""

    curve: Mapping[int, float | None]
    """The sweep's first objective after each epoch; none of a baseline, which another sweep may train anew."""
    weights: str | None
    """SHA-256 of the selected weights; none where it did not finish."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the ledger knows it. Times are milliseconds since 1970."""

    id: str
    """`baseline-1`, `t0003` (of several searches' `r2-t0003`), `generative-s2`"""
    kind: Kind
    row: str
    """Of the sweep's table: the strategy, or the variant of the experiment."""
    seed: int
    params: Mapping[str, ParameterValue]
    """What the search suggested, for it or for the trial that it repeats."""
    config: Mapping[str, Any]
    """The resolved `Trial` settings as JSON."""
    directory: str
    """Where `history.jsonl` lies; a relative path starts at the sweep's directory."""
    number: int | None
    """Optuna's number of the trial."""
    started_ms: int
    state: TrialState = TrialState.RUNNING
    stop_reason: str | None = None
    ended_ms: int | None = None
    attempts: int = 1
    scores: Mapping[str, float] = field(default_factory=dict)
    """`test/bleu`, … by its own test search, `test-greedy/bleu`, … by another: known only after the search."""
    confirms: str | None = None
    """The trial that it repeats with another seed."""
    matches: str | None = None
    """Of an own control: the trial of its strategy at whose point it trains. None of what the search suggested."""
    turn_epochs: int = 0
    """Epochs of a train interval, in a population; 0 elsewhere."""
    turn_epoch: int = 0
    """The last epoch after which its population has decided on exploits; 0 before that."""
    exploits: tuple[Exploit, ...] = ()
    """By epoch."""
    attributes: Mapping[str, Mapping[str, Any]] | None = None
    """What Optuna's study knows of it beside its parameters when it begins: `user` and `system` attributes.

    None in a ledger that was begun before they were written down.
    """
    evidence: Evidence | None = None
    """None while it runs, and where it ended before evidence was written down."""

    def within(self, sweep: Path) -> Path:
        """Its directory, by that of its sweep."""
        return Path(os.path.normpath(sweep / self.directory))  # as it was made relative, without a look at links

    @property
    def title(self) -> str:
        """Its name, with its row where the name does not contain it."""
        return f"{self.id} {self.row}" if self.suggested else self.id

    @property
    def suggested(self) -> bool:
        """Whether it is a trial that the search suggested, and so one that the budget is for."""
        return self.kind == "trial" and self.matches is None

    @property
    def table_row(self) -> str:
        """The row that it counts in: baselines have one of their own."""
        return "baseline" if self.kind == "baseline" else self.row

    @property
    def next_decision_epoch(self) -> int:
        """The epoch after which its population decides next; 0 where it is in none."""
        return self.turn_epoch + self.turn_epochs

    def params_in(self, epoch: int) -> Mapping[str, ParameterValue]:
        """The parameters with which it trained in an epoch."""
        earlier = [exploit for exploit in self.exploits if exploit.epoch < epoch]
        return earlier[-1].params if earlier else self.params

    def schedule(self) -> dict[str, ParameterValue]:
        """Each parameter: its value, or `0.001; from epoch 3: 0.0008` where it changed while the trial trained."""
        return {name: _over_time(self, name) for name in self.params}


@dataclass(frozen=True)
class Closing:
    """The end of a launch. Whatever happens to a trial afterwards reopens the sweep."""

    seq: int
    status: SweepStatus
    summary: Mapping[str, Any]
    """`table_markdown` and numbers."""
    time_ms: int


@dataclass(frozen=True)
class SearchSpan:
    """The search stage of one launch. Times are milliseconds since 1970."""

    started_ms: int
    ended_ms: int
    """Of its end, or of the last event of a trial where a kill cut it short."""
    replicate: int | None = None
    """Which of several searches it was."""


@dataclass(frozen=True)
class WarmStartRecord:
    """What the study held before the sweep's first trial."""

    trials: Sequence[Mapping[str, Any]]
    """Trials of another search, in the study's order: source, params, values, curve."""
    points: Sequence[Mapping[str, Any]]
    """Parameters of trials that are to run first."""


@dataclass
class LedgerState:
    """The ledger, summed up."""

    fingerprint: Mapping[str, Any]
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    """In the order in which they were started."""
    closing: Closing | None = None
    searches: list[SearchSpan] = field(default_factory=list)
    """In the order of the launches."""
    learnt: WarmStartRecord | None = None
    """None where the study began empty, and in a ledger that was begun before it was written down."""
    gpus_per_worker: dict[str, int] = field(default_factory=dict)
    """`baseline`, `resources` → with how many GPUs per worker the last launch ran; a sweep file may leave it open."""
    matmul: dict[str, Matmul] = field(default_factory=dict)
    """Name of a processor → by what trials compute products there; on others by `mkl`. Empty where `mkl` was asked for,
    and in a ledger that was begun before it was written down."""
    updates_ratios: dict[tuple[str, str], float] = field(default_factory=dict)
    """Own control, and the trial by which that is fixed → how many times the updates it makes."""

    def __post_init__(self) -> None:
        """GPUs per worker that the fingerprint itself names need no event."""
        for key in ("baseline", "resources"):
            gpus = self.fingerprint.get("sweep", {}).get(key, {}).get("gpus_per_worker")
            if isinstance(gpus, int):
                self.gpus_per_worker[key] = gpus

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Add one entry.

        Raises:
            KeyError, TypeError, ValueError: the entry is not one that a ledger holds at this place.

        """
        time_ms: int = entry["time_ms"]
        if entry["event"] == "close":
            self.closing = Closing(entry["seq"], SweepStatus(entry["status"]), entry["summary"], time_ms)
            return
        self.closing = None
        match entry["event"]:
            case "search":
                self.searches.append(SearchSpan(time_ms, time_ms, entry.get("replicate")))
            case "learnt":
                self.learnt = WarmStartRecord(entry["trials"], entry["points"])
            case "devices":
                self.gpus_per_worker = {key: int(gpus) for key, gpus in entry["gpus_per_worker"].items()}
            case "matmul":
                self.matmul = dict(entry["by_processor"])
            case "updates_ratio":
                self.updates_ratios[entry["row"], entry["trial"]] = entry["ratio"]
            case "searched":
                self._search_until(time_ms)
            case "turn":
                self._search_until(time_ms)
                for trial_id in entry["trials"]:
                    self.trials[trial_id] = _after_interval(self.trials[trial_id], entry)
            case event:
                record = self._begun(entry) if event == "start" else _changed(self.trials[entry["id"]], entry)
                self.trials[record.id] = record
                # Failed trials are reopened before the search of their launch begins.
                if record.suggested and event not in ("score", "correct", "restart"):
                    self._search_until(time_ms)

    def _begun(self, entry: Mapping[str, Any]) -> TrialRecord:
        fields = dict(entry["trial"])
        if "strategy" in fields:  # before rows could be anything else
            fields["row"] = fields.pop("strategy")
        record = TrialRecord(**fields, started_ms=entry["time_ms"])
        if record.id in self.trials:
            raise ValueError(f"trial {record.id} starts twice")
        return record

    def _search_until(self, time_ms: int) -> None:
        """Extend the last search to a later event; the clock may have been set back meanwhile."""
        if self.searches:
            self.searches[-1] = replace(self.searches[-1], ended_ms=max(time_ms, self.searches[-1].ended_ms))


def _evidence(stored: Mapping[str, Any] | None) -> Evidence | None:
    if stored is None:
        return None
    # The keys of an object are text in JSON.
    return Evidence({int(epoch): value for epoch, value in stored["curve"].items()}, stored["weights"])


def _after_interval(record: TrialRecord, entry: Mapping[str, Any]) -> TrialRecord:
    decided = entry["takeovers"].get(record.id)
    new = () if decided is None else (Exploit(entry["epoch"], decided["donor"], decided["params"]),)
    return replace(record, turn_epoch=entry["epoch"], exploits=record.exploits + new)


def _over_time(record: TrialRecord, name: str) -> ParameterValue:
    changes = [exploit for exploit in record.exploits if exploit.params.get(name) != record.params[name]]
    if not changes:
        return record.params[name]
    later = (f"from epoch {exploit.epoch + 1}: {exploit.params.get(name)}" for exploit in record.exploits)
    return "; ".join([str(record.params[name]), *later])


def _changed(record: TrialRecord, entry: Mapping[str, Any]) -> TrialRecord:
    match entry["event"]:
        case "restart":
            return replace(
                record,
                state=TrialState.RUNNING,
                stop_reason=None,
                ended_ms=None,
                attempts=record.attempts + 1,
                evidence=None,
            )
        case "finish":
            return replace(
                record,
                state=TrialState(entry["state"]),
                stop_reason=current_reason(entry["stop_reason"]),
                # The clock may have been set back meanwhile; no trial ends before it starts.
                ended_ms=max(entry["time_ms"], record.started_ms),
                evidence=_evidence(entry.get("evidence")),
            )
        case "score":
            # A score is final once it is recorded, so that a resumed test stage changes nothing.
            return replace(record, scores={**entry["scores"], **record.scores})
        case "correct":
            return replace(record, scores={**record.scores, **entry["scores"]})
        case event:
            raise ValueError(f"unknown event {event!r}")
