"""Selected weights of a trial: those that validation prefers, written with their result."""

import json
from dataclasses import replace
from pathlib import Path

from torch import nn

from intelligen.errors import DataError, StorageError, writing
from intelligen.state.atomic_files import fsync, sha256, write_atomically
from intelligen.state.checksummed_json import seal
from intelligen.state.trial_result import RESULT, SELECTED, Result, read_result
from intelligen.training.checkpoint import Checkpoints, save_weights


def write_result(directory: Path, result: Result, *, model: nn.Module) -> Result:
    """Write the selected weights, then the result with their hash: where it is there, the weights are whole.

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
