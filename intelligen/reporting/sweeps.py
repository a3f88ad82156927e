"""Sweeps are found by name below the runs directory, and read from their own files, without a lock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intelligen import layout
from intelligen.config.document import nearest
from intelligen.config.loading import load_sweep
from intelligen.errors import ConfigError
from intelligen.tracking.followed import Followed
from intelligen.tracking.histories import TrialHistories
from intelligen.tracking.launch import Launch, read_launch
from intelligen.tracking.ledger import read_ledger, require_no_lost_ledger
from intelligen.tracking.records import Closing, TrialRecord, TrialState
from intelligen.training.history import Report
from intelligen.training.result import RESULT, Result, read_result

RESTING = "resting"
"""Of a trial of a population that nothing works on now: it waits for the others, or for a place to train."""
STATES = (TrialState.RUNNING.value, RESTING, *(state.value for state in TrialState if state is not TrialState.RUNNING))


class SweepFiles:
    """A sweep's files as of now; a file is read again only where it has changed.

    Args:
        directory: The sweep's.

    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ledger = Followed(directory / layout.LEDGER_FILE, lambda path: read_ledger(path.parent))
        self._launch = Followed(directory / layout.LAUNCH_FILE, lambda path: read_launch(path.parent, self.ledger()[0]))
        self._histories = TrialHistories(directory)
        self._results: dict[str, Followed[Result | None]] = {}

    def ledger(self) -> tuple[Mapping[str, Any], dict[str, TrialRecord], Closing | None]:
        """Header, trials and closing."""
        return self._ledger.now()

    def launch(self) -> Launch:
        """The last launch."""
        return self._launch.now()

    def reports(self, record: TrialRecord) -> list[Report]:
        """A trial's history."""
        return self._histories.whole(record)

    def result(self, record: TrialRecord) -> Result | None:
        """A trial's result, where it ran its course."""
        path = record.within(self.directory) / RESULT
        return self._results.setdefault(record.id, Followed(path, lambda path: read_result(path.parent))).now()

    def state(self, record: TrialRecord) -> str:
        """What a trial does, or how it ended: its state in the ledger, or resting."""
        rests = record.state is TrialState.RUNNING and record.turn_epochs > 0
        if rests and not (record.within(self.directory) / layout.PULSE_FILE).exists():
            return RESTING
        return str(record.state)

    def trial(self, named: str) -> TrialRecord:
        """The trial of that name.

        Raises:
            ConfigError: There is none.

        """
        known = self.ledger()[1]
        if named not in known:
            raise ConfigError(f"no trial {named!r} in {self.directory}; {nearest(named, list(known))}")
        return known[named]


def find_sweep(store: Path, named: str) -> Path:
    """The directory of a sweep.

    Args:
        store: The runs directory.
        named: The sweep's name, or its file.

    Raises:
        ConfigError: There is no such sweep, or the file is wrong.
        StorageError: Its ledger is gone.

    """
    known = layout.sweep_names(layout.sweeps(store))
    name = named
    if named not in known and Path(named).suffix in (".yaml", ".yml"):
        name = load_sweep(Path(named))[0].name
    if name in known:
        return layout.sweep(store, name)
    require_no_lost_ledger(layout.sweep(store, name))
    mend = nearest(name, known) if known else "there is none yet: intelligen run FILE makes one"
    raise ConfigError(f"no sweep {name!r} in {layout.sweeps(store)}; {mend}")


def find_trial(store: Path, named: str, trial: str | None = None) -> tuple[SweepFiles, TrialRecord]:
    """A trial, and the files of its sweep.

    Args:
        store: The runs directory.
        named: As `sweep_and_trial` takes it.
        trial: Likewise.

    Raises:
        ConfigError: There is no such sweep or trial, or no trial is named.

    """
    sweep, trial = sweep_and_trial(named, trial)
    files = SweepFiles(find_sweep(store, sweep))
    if trial is None:
        raise ConfigError(f"say which trial of {sweep}: {', '.join(f'{sweep}/{one}' for one in files.ledger()[1])}")
    return files, files.trial(trial)


def sweep_and_trial(named: str, trial: str | None = None) -> tuple[str, str | None]:
    """The two parts of `SWEEP/TRIAL`, or a sweep and the trial that is named beside it.

    Args:
        named: `quickstart/t0001`, or a sweep's name or file alone.
        trial: The trial's name, where it stands apart.

    Raises:
        ConfigError: A trial is named twice.

    """
    sweep, slash, inner = named.rpartition("/")
    if not slash or Path(named).suffix in (".yaml", ".yml"):
        return named, trial
    if trial is not None:
        raise ConfigError(f"{named} names a trial already, and {trial} is another: give one of them")
    return sweep, inner
