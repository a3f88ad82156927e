"""Integrity of ended trials: the ledger keeps what their files held, so that a loss or a change is detected."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from intelligen.config.base import comparable
from intelligen.config.schema.experiment import Trial
from intelligen.errors import DataError, StorageError
from intelligen.state.history import HISTORY_FILE, Report
from intelligen.state.redaction import redact
from intelligen.state.trial_records import SHARED, Evidence, TrialRecord, TrialState
from intelligen.state.trial_result import RESULT, SELECTED, TRIAL, read_result, read_trial

FIX = "restore it from a copy, or start again under another name (intelligen run FILE -o name=…)"


def take_evidence(record: TrialRecord, directory: Path, curve: Mapping[int, float]) -> Evidence:
    """What a trial's files hold at its end.

    Args:
        record: The trial.
        directory: Its own.
        curve: The sweep's first objective after each epoch.

    """
    result = read_result(directory)
    # Another sweep may train it anew: its weights are the same then, but not what its epochs took.
    lasting = record.kind not in SHARED
    scores = {epoch: value if lasting and math.isfinite(value) else None for epoch, value in curve.items()}
    return Evidence(scores, None if result is None else result.sha256)


def require_reports(record: TrialRecord, path: Path, reports: Sequence[Report]) -> None:
    """Refuse a history that lacks an epoch which it held when its trial ended.

    Raises:
        StorageError: It does.

    """
    if record.evidence is None:
        wanted = {1} if record.state is TrialState.COMPLETE else set[int]()
    else:
        wanted = set(record.evidence.curve)
    if missing := sorted(wanted - {report.epoch for report in reports}):
        raise StorageError(f"{path}: epoch {missing[0]} of {record.id} is missing; {FIX}")


def require_as_ended(record: TrialRecord, directory: Path, curve: Mapping[int, float]) -> None:
    """Refuse files that say something else than they did when their trial ended.

    Args:
        record: The trial.
        directory: Its own.
        curve: The sweep's first objective after each epoch, as its history has it now.

    Raises:
        StorageError: They do, or are gone.

    """
    evidence = record.evidence
    if evidence is None:
        return
    for epoch, value in evidence.curve.items():
        if value is not None and curve.get(epoch) != value:
            what = f"epoch {epoch} of {record.id} has another score than when it ended"
            raise StorageError(f"{directory / HISTORY_FILE}: {what}; {FIX}")
    if evidence.weights is None:
        return
    result = read_result(directory)
    if result is None or result.sha256 != evidence.weights:
        what = "is missing" if result is None else "is of other weights than when it ended"
        raise StorageError(f"{directory / RESULT}: the result of {record.id} {what}; {FIX}")
    if not (directory / SELECTED).exists():
        raise StorageError(f"{directory / SELECTED}: the weights of {record.id} are missing; {FIX}")
    try:
        _require_whole(directory / SELECTED)
    except StorageError as error:
        raise StorageError(f"{error}; {FIX}") from error


def require_settings(record: TrialRecord, directory: Path) -> None:
    """Refuse the directory of a trial that says other settings than the ledger.

    Raises:
        StorageError: It does, or does not say them.

    """
    try:
        found = read_trial(directory)
    except DataError as error:
        what = "is damaged" if (directory / TRIAL).exists() else "is missing"
        raise StorageError(f"{directory / TRIAL}: it {what}; {FIX}") from error
    # Read as settings, since each may be of an earlier version; the ledger's are without secrets.
    begun = Trial.model_validate_json(json.dumps(record.config))
    if redact(comparable(found)) != redact(comparable(begun)):
        raise StorageError(f"{directory / TRIAL}: has other settings of {record.id} than the ledger; {FIX}")


def _require_whole(path: Path) -> None:
    """Refuse a file of weights whose head is damaged or whose length does not fit it; the tensors are not read.

    Raises:
        StorageError: It is one, or cannot be read.

    """
    try:
        with safe_open(path, framework="np"):
            pass
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{path}: damaged weights: {' '.join(str(error).split())[:300]}") from error
