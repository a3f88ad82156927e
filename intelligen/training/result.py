"""What a trial directory says of its trial: the settings it was made for, and what came out."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from intelligen.config.experiment import Trial, stored_trial
from intelligen.errors import CannotCreateError, ChangedError, DataError, StorageError, UnavailableError, writing
from intelligen.files import fsync, replace_file
from intelligen.training.checkpoint import Checkpoints, save_weights, sha256
from intelligen.training.sealing import seal, unseal

TRIAL, RESULT, SELECTED = "trial.json", "result.json", "selected.safetensors"


@dataclass(frozen=True)
class Result:
    """What a finished trial came to."""

    selected: str
    """`best of 7 epochs (update 600)` or `average of the last 5 epochs`: whatever validation prefers."""
    metrics: dict[str, float]
    """Of the selected weights, on the validation set."""
    stop_reason: str
    sha256: str = ""
    """Of the selected weights' file."""
    healthy: bool = True
    """False where a sign of sickness, which the stop reason names, ended the trial."""


def claim_directory(directory: Path, trial: Trial) -> None:
    """Make a directory this trial's own.

    Raises:
        CannotCreateError: It cannot be written.
        ChangedError: It belongs to a trial of other settings.

    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"{directory}: cannot create: {error.strerror}; name another place") from error
    path = directory / TRIAL
    if path.exists():
        if read_trial(directory) != trial:
            raise ChangedError(f"{directory}: holds a trial of other settings; delete it or name another place")
        return
    write_atomically(path, trial.model_dump_json(indent=1))


def read_trial(directory: Path) -> Trial:
    """The settings of the trial that a directory belongs to.

    Raises:
        DataError: It is no trial's directory.
        UnavailableError: A package that it is trained with is not installed here.

    """
    try:
        return stored_trial((directory / TRIAL).read_text(encoding="utf-8"))
    except UnavailableError as error:
        raise UnavailableError(f"{directory}: {error}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{directory}: not the directory of a trial: no readable {TRIAL} in it") from error


def write_result(directory: Path, result: Result, *, model: nn.Module) -> Result:
    """Write the selected weights, then the result with their hash: where it stands, the weights are whole.

    Raises:
        StorageError: The disk is full or fails.

    """
    temporary = directory / f".{SELECTED}"
    with writing(directory / SELECTED, needed=sum(tensor.nbytes for tensor in model.state_dict().values())):
        save_weights(model, temporary)
        temporary.replace(directory / SELECTED)
        fsync(directory)
    signed = replace(result, sha256=sha256(directory / SELECTED))
    write_atomically(directory / RESULT, seal(json.dumps(vars(signed), indent=1)))
    fsync(directory)
    return signed


def read_result(directory: Path) -> Result | None:
    """The result of a trial that ran its course, or none.

    Raises:
        StorageError: It is damaged, or cannot be read.

    """
    path = directory / RESULT
    try:
        return Result(**unseal(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; mend it, or restore it from a copy") from error
    except (TypeError, ValueError) as error:
        raise StorageError(
            f"{path}: damaged ({type(error).__name__}: {error}); restore it from a copy, or, unless a sweep has ended"
            " this trial, delete it and run the same command again"
        ) from error


def selected_weights(directory: Path) -> Path:
    """The weights that validation prefers: of a finished trial, or so far of a stopped one.

    Raises:
        DataError: No epoch of the trial has ended yet.
        StorageError: The selected weights are damaged.

    """
    result = read_result(directory)
    if result is not None:
        selected = directory / SELECTED
        if not selected.exists() or sha256(selected) != result.sha256:
            raise StorageError(
                f"{selected}: missing or damaged; restore it from a copy, or, unless a sweep has ended this trial,"
                f" delete {directory / RESULT} and train again"
            )
        return selected
    checkpoints = Checkpoints(directory)
    latest = checkpoints.latest()
    if latest is None or not latest.meta["best_update"]:
        raise DataError(f"{directory}: no epoch of this trial has ended yet; run its training first")
    return checkpoints.weights(latest.meta["best_update"])


def selected_sha256(directory: Path) -> str:
    """Of those weights: of a finished trial as its result has it.

    Raises:
        DataError: No epoch of the trial has ended yet.
        StorageError: The result is damaged.

    """
    result = read_result(directory)
    return sha256(selected_weights(directory)) if result is None else result.sha256


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file durably, or leave the old one.

    Raises:
        CannotCreateError: It may not be written.
        StorageError: The disk is full or fails.

    """
    content = text.encode()
    with writing(path, needed=len(content)):
        replace_file(path, content)
