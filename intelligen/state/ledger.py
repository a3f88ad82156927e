"""Ledger of a sweep: one fsynced JSON line per event, appended by the launcher alone."""

import errno
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from intelligen.config.schema.compute import Matmul
from intelligen.errors import CannotCreateError, unwritten, writing
from intelligen.state import layout
from intelligen.state.atomic_files import fsync, replace_file
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.file_lock import FileLock
from intelligen.state.ledger_reader import LedgerReader
from intelligen.state.lost_ledger import require_no_lost_ledger
from intelligen.state.redaction import redact
from intelligen.state.trial_records import (
    Closing,
    Evidence,
    Exploit,
    Kind,
    ParameterValue,
    SearchSpan,
    SweepStatus,
    TrialRecord,
    TrialState,
    WarmStartRecord,
)

__all__ = ["Closing", "Ledger", "SweepStatus", "TrialRecord", "TrialState", "read_ledger"]

LOCK_FILE = "ledger.lock"


class Ledger:
    """The open ledger: no other process can write while the launcher holds it."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        reader = LedgerReader(path)
        self._state, self._seq, self._length = reader.now(), reader.lines, reader.length
        self._searching = False
        try:
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise CannotCreateError(f"{path}: cannot write the ledger: {error.strerror}") from error
        # What lies behind the last whole line is an append that a kill cut short.
        self._file.truncate(self._length)

    @classmethod
    def open(cls, directory: Path, fingerprint: Mapping[str, Any]) -> "Ledger":
        """Open the ledger in `directory`; a new one begins with `fingerprint`, an old one keeps its own.

        Raises:
            BusyError: another process holds the sweep.
            CannotCreateError: the directory cannot be written.
            StorageError: the ledger is damaged, or it or a part of it is gone while the trials are there.

        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotCreateError(f"{directory}: cannot create the sweep's directory: {error.strerror}") from error
        lock = FileLock(directory / LOCK_FILE)
        path = directory / layout.LEDGER_FILE
        try:
            if not path.exists():
                require_no_lost_ledger(directory)
                _create(path, fingerprint)
            return cls(path, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The fingerprint that was stored when the sweep first started."""
        return self._state.fingerprint

    @property
    def trials(self) -> dict[str, TrialRecord]:
        """Every trial, in the order in which they were started."""
        return dict(self._state.trials)

    @property
    def closing(self) -> Closing | None:
        """How the last launch ended; None while one runs, or when it was killed."""
        return self._state.closing

    @property
    def learnt(self) -> WarmStartRecord | None:
        """What the study held before the first trial; none where that is not known."""
        return self._state.learnt

    @property
    def updates_ratios(self) -> dict[tuple[str, str], float]:
        """Own control, and the trial that fixed it → its `updates_ratio`, which does not change any more."""
        return dict(self._state.updates_ratios)

    @property
    def searches(self) -> list[SearchSpan]:
        """When each launch searched."""
        return list(self._state.searches)

    @property
    def matmul(self) -> dict[str, Matmul]:
        """Name of a processor → by what trials compute products there; on others by `mkl`."""
        return dict(self._state.matmul)

    def start(
        self,
        trial_id: str,
        *,
        kind: Kind,
        row: str,
        seed: int,
        params: Mapping[str, ParameterValue],
        config: Mapping[str, Any],
        directory: str,
        number: int | None = None,
        turn_epochs: int = 0,
        confirms: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        matches: str | None = None,
    ) -> TrialRecord:
        """Record a new trial, which runs from now on."""
        assert trial_id not in self._state.trials, f"{trial_id} was started before"
        trial = {
            "id": trial_id,
            "kind": kind,
            "row": row,
            "seed": seed,
            "params": dict(params),
            "config": dict(config),
            "directory": directory,
            "number": number,
            "turn_epochs": turn_epochs,
            "confirms": confirms,
            "attributes": attributes,
        }
        self._append("start", trial=trial if matches is None else {**trial, "matches": matches})
        return self._state.trials[trial_id]

    def restart(self, trial_id: str) -> TrialRecord:
        """Record another attempt at a trial; the time of its beginning stays."""
        return self._change("restart", trial_id)

    def finish(
        self, trial_id: str, state: TrialState, stop_reason: str | None = None, *, evidence: Evidence | None = None
    ) -> TrialRecord:
        """Record that a trial has ended, with what its files held."""
        assert state is not TrialState.RUNNING
        stored = None if evidence is None else {"curve": dict(evidence.curve), "weights": evidence.weights}
        return self._change("finish", trial_id, state=state, stop_reason=stop_reason, evidence=stored)

    def score(self, trial_id: str, scores: Mapping[str, float]) -> TrialRecord:
        """Add scores; those already recorded stay."""
        return self._change("score", trial_id, scores=dict(scores))

    def correct(self, trial_id: str, scores: Mapping[str, float]) -> TrialRecord:
        """Replace recorded scores by what the same hypotheses come to now."""
        return self._change("correct", trial_id, scores=dict(scores))

    def end_interval(self, epoch: int, trials: Sequence[str], exploits: Mapping[str, Exploit]) -> None:
        """Record the end of a population's interval: its trials under way, and by trial the exploits of some."""
        stored = {trial_id: {"donor": one.donor, "params": dict(one.params)} for trial_id, one in exploits.items()}
        self._append("turn", epoch=epoch, trials=list(trials), takeovers=stored)

    def learn(self, learnt: WarmStartRecord) -> None:
        """Record the warm start: what the study holds before its first trial."""
        self._append("learnt", trials=list(learnt.trials), points=list(learnt.points))

    def record_devices(self, gpus_per_worker: Mapping[str, int]) -> None:
        """Record how many GPUs per worker are used wherever the sweep's file leaves it open."""
        if self._state.gpus_per_worker != gpus_per_worker:
            self._append("devices", gpus_per_worker=dict(gpus_per_worker))

    def record_matmul(self, by_processor: Mapping[str, Matmul]) -> None:
        """Record by what trials compute products on each kind of processor."""
        self._append("matmul", by_processor=dict(by_processor))

    def fix_updates_ratio(self, row: str, ratio: float, *, trial_id: str) -> None:
        """Record how many times the updates an own control makes, so that it takes as long as a strategy's trial."""
        assert (row, trial_id) not in self._state.updates_ratios, f"the ratio of {row} was fixed before"
        self._append("updates_ratio", row=row, ratio=ratio, trial=trial_id)

    def begin_search(self, replicate: int | None = None) -> None:
        """Record that the search stage of this launch begins, or that of one of several searches."""
        self._append("search", **({} if replicate is None else {"replicate": replicate}))
        self._searching = True

    def end_search(self, reason: str) -> None:
        """Record that the search stage of this launch has ended, unless that is recorded."""
        if self._searching:
            self._append("searched", reason=reason)
            self._searching = False

    def close_sweep(self, status: SweepStatus, summary: Mapping[str, Any]) -> None:
        """Record that the launch has ended; `summary` holds `table_markdown` and numbers."""
        self._append("close", status=status, summary=dict(summary))

    def close(self) -> None:
        """Close the file and release the sweep's lock."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _change(self, event: str, trial_id: str, **fields: Any) -> TrialRecord:
        self._append(event, id=trial_id, **fields)
        return self._state.trials[trial_id]

    def _append(self, event: str, **fields: Any) -> None:
        entry = {"seq": self._seq, "time_ms": time.time_ns() // 1_000_000, "event": event, **fields}
        line = _encode(entry)
        try:
            if os.pwrite(self._file.fileno(), line, self._length) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            # The next line must not continue a broken one; where even this fails, opening drops the broken one.
            with suppress(OSError):
                self._file.truncate(self._length)
            raise unwritten(self._path, error, needed=len(line)) from error
        self._length += len(line)
        self._seq += 1
        self._state.apply(unseal(line.decode()))


def read_ledger(directory: Path) -> tuple[Mapping[str, Any], dict[str, TrialRecord], Closing | None]:
    """Fingerprint, trials and closing of a sweep as of now; takes no lock.

    Raises:
        StorageError: there is no ledger, it is damaged, or it has lost trials.
        UnavailableError: a package that it was trained with is not installed here.

    """
    state = LedgerReader(directory / layout.LEDGER_FILE).now()
    return state.fingerprint, state.trials, state.closing


def recorded_devices(directory: Path) -> dict[str, int]:
    """`baseline`, `resources` → with how many GPUs per worker the sweep's last launch ran; empty before its first.

    Raises:
        StorageError: The ledger is damaged.

    """
    path = directory / layout.LEDGER_FILE
    return LedgerReader(path).now().gpus_per_worker if path.exists() else {}


def _encode(entry: Mapping[str, Any]) -> bytes:
    """The state is what this line says, so nothing that is read from a ledger holds a secret."""
    return seal(json.dumps(redact(entry), ensure_ascii=False)).encode() + b"\n"


def _create(path: Path, fingerprint: Mapping[str, Any]) -> None:
    entry = {"seq": 0, "time_ms": time.time_ns() // 1_000_000, "event": "open", "header": dict(fingerprint)}
    line = _encode(entry)
    with writing(path, needed=len(line)):
        replace_file(path, line)
        fsync(path.parent)
