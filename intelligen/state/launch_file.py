"""Launch file of a sweep: the settings that may change between launches, and where the last one tracked to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from intelligen.config.files.suggested_fixes import ANOTHER_SWEEP
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError, StorageError
from intelligen.state import layout
from intelligen.state.atomic_files import write_atomically
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.legacy_addresses import RUNS, STUDY, is_relative, launch_directories, located
from intelligen.state.redaction import redact, redact_text
from intelligen.state.trial_records import TrialRecord


@dataclass(frozen=True)
class Launch:
    """What the next launch needs to know of the last one."""

    sweep: Sweep
    tracking_uri: str | None
    """Without the secrets that it held; None where it is not known. Relative where the first release was given it so,
    and the database is not found."""
    concurrent_trials: int = 1
    """Trials at the same time: what the settings say, or what `auto` was."""
    given: tuple[str, ...] = ()
    """The sweep's file and the overrides as `run` was given them, without secrets; empty where that is not known."""
    lost_study: str | None = None
    """The relative address of the study's database, where the first release was given it so, and it is not found."""


def write_launch(
    directory: Path, sweep: Sweep, *, tracking_uri: str, given: Sequence[str] = (), resolved: Sweep | None = None
) -> None:
    """Write the launch file, without secrets.

    Args:
        directory: The sweep's.
        sweep: Its settings as they were given, which the next launch goes on with.
        tracking_uri: Where the launch tracks to.
        given: The sweep's file and the overrides.
        resolved: The settings with what its place has in place of `auto`; not given = there is none.

    """
    launch = {
        "concurrent_trials": (resolved or sweep).resources.concurrent_trials,
        "sweep": redact(sweep.model_dump(mode="json")),
        "tracking_uri": redact_text(tracking_uri),
        "given": [redact_text(word) for word in given],
    }
    write_atomically(directory / layout.LAUNCH_FILE, seal(json.dumps(launch, ensure_ascii=False, indent=1)))


def require_launch(directory: Path, trials: Mapping[str, TrialRecord]) -> None:
    """Refuse to go on without the settings of the last launch, such as a budget that was raised.

    Args:
        directory: The sweep's.
        trials: Of its ledger: before the first one, no launch may have come so far as to be remembered.

    Raises:
        StorageError: They are gone.

    """
    path = directory / layout.LAUNCH_FILE
    if trials and not path.exists():
        raise StorageError(f"{path}: missing; run the sweep's file again: intelligen run FILE")


def read_launch(directory: Path, fingerprint: Mapping[str, Any]) -> Launch:
    """The last launch; the sweep's first settings where none is remembered.

    Args:
        directory: The sweep's.
        fingerprint: Of its ledger.

    Raises:
        ChangedError: Another version wrote settings that this one does not know.
        StorageError: The file is damaged.

    """
    stored = _stored(directory / layout.LAUNCH_FILE) or _Stored(fingerprint["sweep"])
    settings, tracking_uri = stored.sweep, stored.tracking_uri
    directories = launch_directories(directory)
    search = settings.get("search") if isinstance(settings, Mapping) else None
    search = search if isinstance(search, Mapping) else {}
    storage = search.get("storage")
    if is_relative(storage):
        # As Optuna's study is called in a database.
        storage = located(storage, directories, STUDY, f"{fingerprint['sweep']['name']}-{fingerprint['sweep_id']}")
        settings = {**settings, "search": {**search, "storage": storage}}
    if is_relative(tracking_uri):
        tracking_uri = located(tracking_uri, directories, RUNS, fingerprint["sweep_id"])
    try:
        # By way of JSON a list may fill a tuple.
        sweep = Sweep.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ChangedError(
            f"{directory}: another version of IntelliGEN wrote its settings ({key}: {first['msg']});"
            f" use that version, or {ANOTHER_SWEEP}"
        ) from error
    # Earlier versions stored none; a finished sweep that is started again has not looked for one.
    numbers = [one for one in (stored.concurrent_trials, sweep.resources.concurrent_trials) if isinstance(one, int)]
    lost = storage if is_relative(storage) else None
    return Launch(sweep, tracking_uri, next(iter(numbers), 1), stored.given, lost_study=lost)


@dataclass(frozen=True)
class _Stored:
    """What a launch file holds."""

    sweep: Any
    tracking_uri: str | None = None
    given: tuple[str, ...] = ()
    concurrent_trials: object = None


def _stored(path: Path) -> _Stored | None:
    """None where there is no file."""
    try:
        stored = unseal(path.read_text(encoding="utf-8"))
        uri = stored["tracking_uri"]
        if not isinstance(uri, str | None):
            raise TypeError(f"tracking_uri is {uri!r}")
        # Earlier versions did not keep what was given, nor trials at once.
        given = tuple(map(str, stored.get("given", ())))
        return _Stored(stored["sweep"], uri, given, stored.get("concurrent_trials"))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        what = f"damaged ({type(error).__name__}: {error}); delete it and run the sweep's file again"
        raise StorageError(f"{path}: {what}") from error
