"""Launch request: a sweep as its file has it, or as its last launch left it."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from intelligen.addresses import TRACKING_VARIABLE, SqliteAddress, absolute, tracking_address
from intelligen.analysis.suggested_command import given_with
from intelligen.config.document import Document, flatten
from intelligen.config.files.examined import validated
from intelligen.config.files.overrides import parse_override, with_overrides
from intelligen.config.files.suggested_fixes import ANOTHER_SWEEP
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.stages_after_search import STAGES
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError, StorageError
from intelligen.state import layout
from intelligen.state.launch_file import read_launch, require_launch
from intelligen.state.ledger import read_ledger
from intelligen.state.legacy_addresses import is_relative, launch_directories
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.redaction import REDACTED, redact_text
from intelligen.sweep.row_data import Counting, PreparedRows, prepare_again, prepare_rows


@dataclass(frozen=True)
class LaunchRequest:
    """A sweep with its experiment, its runs directory, and the options of the launch."""

    sweep: Sweep
    experiment: Experiment
    store: Path
    """The runs directory, absolute."""
    tracking_uri: str
    prepare: Callable[[Counting], PreparedRows]
    """Finds or makes the data."""
    until: str = STAGES[-1]
    """The last stage of this launch."""
    failed_again: bool = False
    """Whether the trials that failed run again."""
    given: tuple[str, ...] = ()
    """The sweep's file and the overrides, as `run` and later commands were given them; empty where no file was."""
    local: bool = False
    """Whether it is to run on this machine, whatever cluster could be joined."""

    @property
    def directory(self) -> Path:
        """The sweep's own."""
        return layout.sweep(self.store, self.sweep.name)


def request_of_file(sweep: Sweep, experiment: Experiment, *, runs: Path, tracking_uri: str | None) -> LaunchRequest:
    """A sweep as its file has it."""
    store = runs.absolute()
    prepare = partial(prepare_rows, sweep, experiment, store)
    return LaunchRequest(sweep, experiment, store, tracking_address(tracking_uri), prepare)


def request_of_directory(directory: Path, overrides: tuple[str, ...], *, tracking_uri: str | None) -> LaunchRequest:
    """A sweep as its last launch left it: settings from its ledger, data as they were prepared for it.

    Raises:
        ConfigError: An override is wrong, or a secret was not given again.
        ChangedError: Another version wrote the settings, or the data have changed and are to be prepared again.
        StorageError: Ledger or settings are damaged or gone.

    """
    fingerprint, trials, _ = read_ledger(directory)
    require_launch(directory, trials)
    launch = read_launch(directory, fingerprint)
    document = Document(launch.sweep.model_dump(mode="json"), {})
    changes = [parse_override(text) for text in overrides]
    searched = any(record.kind == "trial" for record in trials.values())
    if launch.lost_study is not None and searched and "search.storage" not in {change.key for change in changes}:
        raise _not_found(directory, "study", launch.lost_study, option="-o search.storage=")
    for change in changes:
        if change.key == "name" or change.key.startswith("experiment."):
            what = f"a sweep that was started keeps its name and experiment; {ANOTHER_SWEEP}"
            raise ConfigError(f"{change.origin}: {what}")
    sweep = validated(Sweep, with_overrides(document, Sweep, changes))
    lost = [key for key, value in flatten(sweep.model_dump(mode="json")).items() if REDACTED in str(value)]
    if lost:
        raise ConfigError(f"{directory}: {lost[0]} holds a secret, which is not stored; give it again: -o {lost[0]}=…")
    experiment = validated(Experiment, Document(dict(fingerprint["experiment"]), {}))
    uri = tracking_uri or tracked_at(directory)
    request = request_of_file(sweep, experiment, runs=layout.store_of(directory), tracking_uri=uri)
    if request.directory != directory:
        raise ConfigError(
            f"{directory}: holds the sweep {sweep.name}, whose directory is {request.directory}; move it there"
        )
    prepare = partial(prepare_again, sweep, experiment, request.store, fingerprint=fingerprint, where=directory)
    given = given_with(launch.given, overrides) if launch.given else ()
    return LaunchRequest(sweep, experiment, request.store, request.tracking_uri, prepare, given=given)


def tracked_at(directory: Path) -> str:
    """Where the last launch of a sweep tracked to, whatever the environment says; its word where that is not known.

    Raises:
        ConfigError: The address held a secret.
        StorageError: It is relative, as the first release kept it, and its database is not found.

    """
    recorded = read_launch(directory, read_ledger(directory)[0]).tracking_uri
    here = os.environ.get(TRACKING_VARIABLE)
    if here and recorded in (None, redact_text(here)):
        return here  # it has the secret that is not recorded
    if recorded is not None and REDACTED in recorded:
        raise ConfigError(
            f"{directory}: its tracking address held a secret, which is not stored: give --tracking-uri, or set"
            f" {TRACKING_VARIABLE} to the same address"
        )
    if recorded is not None and is_relative(recorded) and read_run_ids(directory).sweep is not None:
        raise _not_found(directory, "MLflow runs", recorded, option="--tracking-uri ")
    return recorded or tracking_address(None)


def _not_found(directory: Path, what: str, address: str, *, option: str) -> StorageError:
    """A database of the first release, of which only what was typed is known."""
    relative, directories = SqliteAddress.parse(address), launch_directories(directory)
    assert relative is not None
    fix = option + shlex.quote(str(relative.at(absolute(directories[-1] / relative.path))))
    return StorageError(
        f"{directory}: its {what} are in {relative.path} of the directory in which it was launched, and in none of"
        f" {', '.join(map(str, directories))}; name that file, or a new one: {fix}"
    )
