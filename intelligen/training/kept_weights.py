"""Kept weights: those at the ends of the epochs in `training.keep_epochs`, for other trainings to start from.

    TRIAL/epochs/0020.safetensors   the weights after epoch 20
    TRIAL/epochs/0020.json          their SHA-256 and their vocabularies: where it is there, the weights are whole

They are written before the epoch's checkpoint. After a kill between the two, the resumed training makes the epoch
again, and writes the same bytes. Nothing deletes them while the trial's directory is there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from intelligen.errors import DataError, StorageError, writing
from intelligen.state.atomic_files import fsync, sha256, write_atomically
from intelligen.state.checksummed_json import seal, unseal
from intelligen.training.checkpoint import save_weights

FOLDER = "epochs"


@dataclass(frozen=True)
class KeptWeights:
    """The weights at the end of an epoch; their file has been found whole."""

    path: Path
    """As `load_weights` reads it."""
    epoch: int
    update: int
    """Optimizer updates made."""
    sha256: str
    """Of the file."""
    vocabularies: dict[str, str]
    """Column → SHA-256 of its vocabulary's file, as `Prepared.vocabulary_hashes` has it: where they are not equal, the
    token ids of these weights mean other pieces.
    """


def keep_weights(
    directory: Path, *, epoch: int, update: int, model: nn.Module, vocabularies: Mapping[str, str]
) -> KeptWeights:
    """Write a model's weights as those at the end of an epoch; may be repeated.

    Raises:
        CannotCreateError: They may not be written.
        StorageError: The disk is full or fails.

    """
    folder, path = directory / FOLDER, _weights(directory, epoch)
    temporary = path.with_name(f".{path.name}")
    with writing(path, needed=sum(tensor.nbytes for tensor in model.state_dict().values())):
        folder.mkdir(exist_ok=True)
        save_weights(model, temporary)
        temporary.replace(path)
        fsync(folder)
        fsync(directory)
    kept = KeptWeights(path, epoch, update, sha256(path), dict(vocabularies))
    record = {"update": update, "sha256": kept.sha256, "vocabularies": kept.vocabularies}
    write_atomically(path.with_suffix(".json"), seal(json.dumps(record, indent=1)))
    fsync(folder)
    return kept


def kept_weights(directory: Path, epoch: int) -> KeptWeights:
    """The weights that a trial has kept of an epoch, whether it has finished or goes on.

    Args:
        directory: The trial's.
        epoch: 1, 2, …: its number in `training.keep_epochs`.

    Raises:
        DataError: They were not kept: the settings do not name the epoch, or the training ended before it or has not
            come so far. The message names the epochs that there are.
        StorageError: They are damaged, or cannot be read.

    """
    path = _weights(directory, epoch)
    record = path.with_suffix(".json")
    try:
        fields = unseal(record.read_text(encoding="utf-8"))
        kept = KeptWeights(path, epoch, fields["update"], fields["sha256"], fields["vocabularies"])
        whole = sha256(path) == kept.sha256
    except FileNotFoundError as error:
        if not record.exists():
            raise _not_kept(directory, epoch) from None
        raise _damaged(path, "missing") from error
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(record, "damaged") from error
    except OSError as error:
        raise StorageError(
            f"{error.filename}: cannot be read: {error.strerror}; fix it, or restore it from a copy"
        ) from error
    if not whole:
        raise _damaged(path, "damaged (its SHA-256 does not match)")
    return kept


def kept_epochs(directory: Path) -> list[int]:
    """The epochs whose weights a trial has kept, in order."""
    return sorted(int(record.stem) for record in (directory / FOLDER).glob("[0-9]*.json"))


def _weights(directory: Path, epoch: int) -> Path:
    return directory / FOLDER / f"{epoch:04d}.safetensors"


def _not_kept(directory: Path, epoch: int) -> DataError:
    there = ", ".join(map(str, kept_epochs(directory)))
    fix = f"it has those of {there}" if there else "it has none: name epochs in training.keep_epochs, and train again"
    return DataError(f"{directory}: has not kept the weights of epoch {epoch}; {fix}")


def _damaged(path: Path, how: str) -> StorageError:
    return StorageError(f"{path}: {how}; restore it from a copy, or delete {path.parents[1]} and train again")
