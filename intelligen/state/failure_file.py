"""Failure file of a trial: why it failed for good; written by the launch, gone once another attempt begins."""

import json
from pathlib import Path

from intelligen.errors import StorageError
from intelligen.state.atomic_files import write_atomically

FAILURE_FILE = "failure.json"


def write_failure(directory: Path, reason: str) -> None:
    """Write that a trial has failed for good; a fault of its host or cluster leaves no such file."""
    directory.mkdir(parents=True, exist_ok=True)  # it may have been killed before it had one
    write_atomically(directory / FAILURE_FILE, json.dumps({"reason": reason}))


def read_failure(directory: Path) -> str | None:
    """Why a trial has failed, if it has.

    Raises:
        StorageError: The file is damaged.

    """
    path = directory / FAILURE_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["reason"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        what = f"damaged ({type(error).__name__}: {error}); restore it from a copy, or delete it"
        raise StorageError(f"{path}: {what}") from error


def forget_failure(directory: Path) -> None:
    """Remove the failure of an earlier attempt, because a new one begins."""
    (directory / FAILURE_FILE).unlink(missing_ok=True)
