"""Ids of a sweep's MLflow runs, by trial: written by the mirror, read wherever a link is made."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from intelligen.errors import StorageError
from intelligen.state.atomic_files import write_atomically
from intelligen.state.checksummed_json import seal, unseal

RUN_IDS_FILE = "mlflow.json"


@dataclass(frozen=True)
class RunIds:
    """The runs of one sweep, as the mirror last saw them."""

    experiment: str | None = None
    sweep: str | None = None
    """Of the sweep's own run."""
    trials: dict[str, str] = field(default_factory=dict)
    """Trial id → run id."""
    view: str | None = None
    """The key of the sweep's prepared comparison among the experiment's saved views, once it is there."""


def write_run_ids(directory: Path, runs: RunIds) -> None:
    """Write the ids into a sweep's directory.

    Raises:
        CannotCreateError: They may not be written there.
        StorageError: The disk is full or fails.

    """
    write_atomically(directory / RUN_IDS_FILE, seal(json.dumps(asdict(runs), indent=1)))


def read_run_ids(directory: Path) -> RunIds:
    """What is known of a sweep's runs; nothing where no mirror has come so far.

    Raises:
        StorageError: The file is damaged.

    """
    path = directory / RUN_IDS_FILE
    try:
        return RunIds(**unseal(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return RunIds()
    except (OSError, TypeError, ValueError) as error:
        raise StorageError(
            f"{path}: damaged ({type(error).__name__}); delete it: the next launch writes it anew"
        ) from error
