"""Store of initial weights: RUNS/weights/SHA256, written whole or not at all, verified whenever it is read."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from intelligen.config.schema.initial import InitialWeights
from intelligen.errors import StorageError, writing
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.building_directory import make_building, publish
from intelligen.state.checksummed_json import seal, unseal

WEIGHTS_FILE, ORIGIN_FILE = "model.safetensors", "origin.json"


@dataclass(frozen=True)
class Origin:
    """origin.json: where weights are from, and what their token ids mean."""

    text: str
    """For people."""
    vocabularies: dict[str, str]
    """Column → SHA-256 of its vocabulary's file."""
    tables: list[str] | None
    """Names of the tensors that are a table of all tokens' vectors; None = there are only vectors of some pieces."""


@dataclass(frozen=True)
class StoredWeights:
    """Weights in the store."""

    path: Path
    """Of the tensors."""
    sha256: str
    """Of that file, by which they are found."""
    origin: Origin


def store_weights(store: Path, origin: Origin, source: Path) -> StoredWeights:
    """Put weights into the store, where they are found by what they are: weights that are there already stay.

    Args:
        store: The runs directory.
        origin: Where they are from.
        source: File of the tensors, which is copied.

    Raises:
        CannotCreateError: The store may not be written.
        StorageError: The disk is full or fails.

    """
    digest = sha256(source)
    directory = layout.weights(store, digest)
    if not directory.exists():
        building = make_building(directory)
        with writing(directory, needed=source.stat().st_size):
            try:
                shutil.copyfile(source, building / WEIGHTS_FILE)
                (building / ORIGIN_FILE).write_text(seal(json.dumps(asdict(origin), indent=1)), encoding="utf-8")
                publish(building, directory)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    return StoredWeights(directory / WEIGHTS_FILE, digest, origin)


def stored_weights(store: Path, initial: InitialWeights) -> StoredWeights:
    """The weights that a trial starts from, verified.

    Raises:
        StorageError: They are missing or damaged.

    """
    directory = layout.weights(store, initial.weights)
    path, origin = directory / WEIGHTS_FILE, directory / ORIGIN_FILE
    fix = f"delete {directory}, and make it again from the experiment's file: intelligen train FILE"
    try:
        if sha256(path) != initial.weights:
            raise StorageError(f"{path}: damaged (its SHA-256 does not match); {fix}")
        return StoredWeights(path, initial.weights, Origin(**unseal(origin.read_text(encoding="utf-8"))))
    except FileNotFoundError as error:
        what = f"the initial weights are missing ({initial.origin})"
        raise StorageError(f"{error.filename}: {what}; restore them from a copy, or {fix}") from None
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be read: {error.strerror}; fix it and try again") from error
    except (TypeError, ValueError) as error:
        raise StorageError(f"{origin}: damaged ({type(error).__name__}: {error}); {fix}") from error
