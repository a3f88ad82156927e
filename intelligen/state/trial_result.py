"""Result of a trial, and the settings that its directory was made for."""

from dataclasses import dataclass, replace
from pathlib import Path

from intelligen.config.schema.experiment import Trial, stored_trial
from intelligen.errors import CannotCreateError, ChangedError, DataError, StorageError, UnavailableError
from intelligen.state.atomic_files import write_atomically
from intelligen.state.checksummed_json import unseal
from intelligen.state.stop_reason import current_reason

TRIAL, RESULT, SELECTED = "trial.json", "result.json", "selected.safetensors"


@dataclass(frozen=True)
class Result:
    """Selected weights, their metrics and the stop reason of a finished trial."""

    selected: str
    """`best of 7 epochs (update 600)` or `average of the last 5 epochs`: whatever validation prefers."""
    metrics: dict[str, float]
    """Of the selected weights, on the validation set."""
    stop_reason: str
    sha256: str = ""
    """Of the selected weights' file."""
    healthy: bool = True
    """False where a health check ended the trial; the stop reason names the sign."""


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
        if read_trial(directory).identity != trial.identity:
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


def read_result(directory: Path) -> Result | None:
    """The result of a trial that finished, or none.

    Raises:
        StorageError: It is damaged, or cannot be read.

    """
    path = directory / RESULT
    try:
        result = Result(**unseal(path.read_text(encoding="utf-8")))
        return replace(result, stop_reason=current_reason(result.stop_reason))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; fix it, or restore it from a copy") from error
    except (TypeError, ValueError) as error:
        raise StorageError(
            f"{path}: damaged ({type(error).__name__}: {error}); restore it from a copy, or, unless a sweep has ended"
            " this trial, delete it and run the same command again"
        ) from error
