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
    given: tuple[str, ...] = ()
    """The sweep's file and the overrides as `run` was given them, without secrets; empty where that is not known."""
    lost_study: str | None = None
    """The relative address of the study's database, where the first release was given it so, and it is not found."""


def write_launch(directory: Path, sweep: Sweep, *, tracking_uri: str, given: Sequence[str] = ()) -> None:
    """Write the launch file, without secrets."""
    launch = {
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
    settings, tracking_uri, given = _stored(directory / layout.LAUNCH_FILE) or (fingerprint["sweep"], None, ())
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
    return Launch(sweep, tracking_uri, given, lost_study=storage if is_relative(storage) else None)


def _stored(path: Path) -> tuple[Any, str | None, tuple[str, ...]] | None:
    """The stored settings and address, and what was given; None where there is no file."""
    try:
        stored = unseal(path.read_text(encoding="utf-8"))
        uri = stored["tracking_uri"]
        if not isinstance(uri, str | None):
            raise TypeError(f"tracking_uri is {uri!r}")
        # Earlier versions did not keep what was given.
        return stored["sweep"], uri, tuple(map(str, stored.get("given", ())))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        what = f"damaged ({type(error).__name__}: {error}); delete it and run the sweep's file again"
        raise StorageError(f"{path}: {what}") from error
