"""Checkpoints: whole or absent; written under a temporary name, hashed, fsynced, renamed, verified on reading."""

import errno
import json
import os
import pickle
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from intelligen.errors import DataError, StorageError, free_bytes
from intelligen.state.atomic_files import fsync, sha256
from intelligen.training.memory_shortage import shortage_of

WEIGHTS, TRAINING, META, MANIFEST = "model.safetensors", "training.pt", "meta.json", "MANIFEST.json"
ADOPTED = "adopted"


@dataclass(frozen=True)
class Checkpoint:
    """One verified checkpoint directory."""

    path: Path
    meta: dict[str, Any]
    """What the loop knows at this update: epoch, best so far, patience, loader position, sums."""

    @property
    def update(self) -> int:
        """Optimizer steps made."""
        return int(self.path.name)

    def training_state(self) -> dict[str, Any]:
        """The strategy's state (optimizer moments and the like), on the CPU.

        Raises:
            StorageError: There is more in it than tensors and plain values: code, which is not run.

        """
        path = self.path / TRAINING
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise StorageError(
                f"{path}: holds more than tensors and plain values, and nothing of it was run; restore it from a copy"
            ) from error
        return state


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights durably, as safetensors.

    Raises:
        OSError: The system refused: the disk is full, say.

    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error
    fsync(path)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor] | Path) -> None:
    """Fill a model of the same shape from `save_weights`' file or its tensors.

    Raises:
        StorageError: The file cannot be read, or it holds another shape.
        OSError, RuntimeError: The memory does not suffice.

    """
    try:
        model.load_state_dict(load_file(weights) if isinstance(weights, Path) else weights)
    except (OSError, RuntimeError, SafetensorError) as error:
        if shortage_of(error) is not None:
            raise
        source = weights if isinstance(weights, Path) else "averaged weights"
        raise StorageError(f"{source}: cannot load weights: {' '.join(str(error).split())[:300]}") from error


class Checkpoints:
    """The checkpoints of one trial directory."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "checkpoints"
        self._adopted = directory / ADOPTED

    def save(self, update: int, *, model: nn.Module, training: Mapping[str, Any], meta: Mapping[str, Any]) -> Path:
        """Write one checkpoint durably.

        Raises:
            StorageError: The disk is full or fails; earlier checkpoints are untouched.

        """
        final = self._root / f"{update:010d}"
        temporary = self._root / f".{update:010d}.partial"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            save_weights(model, temporary / WEIGHTS)
            _save_training(training, temporary / TRAINING)
            (temporary / META).write_text(json.dumps(meta), encoding="utf-8")
            hashes = {name: sha256(temporary / name) for name in (WEIGHTS, TRAINING, META)}
            (temporary / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
            for name in (*hashes, MANIFEST):
                fsync(temporary / name)
            if final.exists():
                shutil.rmtree(final)
            temporary.rename(final)
            fsync(self._root)
        except OSError as error:
            needed = sum(tensor.nbytes for tensor in model.state_dict().values()) * 3
            raise StorageError(
                f"{final}: cannot write a checkpoint: {error.strerror or error}; it needs about {needed:,} bytes,"
                f" {free_bytes(self._root):,} are free; earlier checkpoints are intact: make room and run the same"
                " command"
            ) from error
        return final

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint whose files match their manifest; a damaged one is set aside with a warning.

        Raises:
            DataError: There are checkpoints, but none is whole.

        """
        found = [path for path in sorted(self._root.glob("[0-9]*"), reverse=True) if path.is_dir()]
        for path in found:
            checkpoint = _verified(path)
            if checkpoint is not None:
                return checkpoint
            aside = path.with_name(f"damaged-{path.name}")
            warnings.warn(f"{path}: damaged checkpoint set aside as {aside.name}", stacklevel=2)
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        if any(self._root.glob("damaged-*")):
            raise DataError(f"{self._root}: no checkpoint is whole; delete the directory to start anew")
        return None

    @property
    def newest_update(self) -> int:
        """The update of the newest checkpoint, whole or damaged; 0 where there is none."""
        return max((int(path.name) for path in self._root.glob("[0-9]*")), default=0)

    def at(self, update: int) -> Checkpoint:
        """The checkpoint at an update that `keep_only` has kept.

        Raises:
            StorageError: It is damaged or gone.

        """
        path = self._root / f"{update:010d}"
        found = _verified(path)
        if found is None:
            raise StorageError(f"{path}: the checkpoint to roll back to is damaged or gone; delete it and train again")
        return found

    def adopt(self, donor: "Checkpoints", update: int) -> None:
        """Copy another trial's checkpoint, to go on from; may be repeated. An earlier one has served its purpose.

        Raises:
            StorageError: The checkpoint is damaged or gone, or the disk is full or fails.

        """
        source = donor.weights(update).parent
        if _verified(source) is None:
            raise StorageError(f"{source}: the checkpoint to take over is damaged or gone; restore it from a copy")
        final, temporary = self._adopted / source.name, self._adopted / f".{source.name}.partial"
        try:
            shutil.rmtree(self._adopted, ignore_errors=True)
            shutil.copytree(source, temporary)
            for file in temporary.iterdir():
                fsync(file)
            temporary.rename(final)
            fsync(self._adopted)
            fsync(self._adopted.parent)
        except OSError as error:
            raise StorageError(
                f"{final}: cannot copy a checkpoint: {error}; make room and run the same command"
            ) from error

    def adopted(self, update: int) -> Checkpoint:
        """The copy that `adopt` made of another trial's checkpoint at an update.

        Raises:
            StorageError: It is damaged or gone.

        """
        path = self._adopted / f"{update:010d}"
        found = _verified(path)
        if found is None:
            raise StorageError(f"{path}: the checkpoint taken over is damaged or gone; restore it from a copy")
        return found

    def weights(self, update: int) -> Path:
        """The weights file of the checkpoint at an update."""
        return self._root / f"{update:010d}" / WEIGHTS

    def keep_only(self, updates: set[int]) -> None:
        """Delete all checkpoints but those at the given updates and the newest two: the newest may prove damaged."""
        for path in sorted(self._root.glob("[0-9]*"))[:-2]:
            if int(path.name) not in updates:
                shutil.rmtree(path)


def _save_training(training: Mapping[str, Any], path: Path) -> None:
    """Write a strategy's state.

    Raises:
        OSError: The system refused: the disk is full, say.

    """
    try:
        torch.save(dict(training), path)
    except RuntimeError as error:
        # torch says neither that a file cannot be written nor why; a full disk it calls an unexpected position.
        if "inline_container" not in str(error):
            raise
        code = errno.ENOSPC if free_bytes(path) < path.stat().st_size else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def average_weights(paths: list[Path]) -> dict[str, Tensor]:
    """The mean of several checkpoints' weights, summed in fp64 (Vaswani et al. 2017, sec. 6.1)."""
    total: dict[str, Tensor] = {}
    for path in paths:
        for name, tensor in load_file(path).items():
            total[name] = total[name] + tensor.double() if name in total else tensor.double()
    return {name: (tensor / len(paths)).float() for name, tensor in total.items()}


def _verified(path: Path) -> Checkpoint | None:
    try:
        hashes = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if any(sha256(path / name) != digest for name, digest in hashes.items()):
            return None
        return Checkpoint(path, json.loads((path / META).read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError):
        return None
