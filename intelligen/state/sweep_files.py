"""Files of a sweep: read without a lock, and again only where one has changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intelligen.config.document import nearest
from intelligen.errors import ConfigError
from intelligen.state import layout
from intelligen.state.cached_file import CachedFile
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.history import Report
from intelligen.state.launch_file import Launch, read_launch
from intelligen.state.ledger_reader import LedgerReader
from intelligen.state.trial_records import Closing, LedgerState, TrialRecord, TrialState
from intelligen.state.trial_result import RESULT, Result, read_result

PAUSED = "resting"
"""Of a trial of a population that nothing works on now: it waits for the others, or for a place to train."""
STATES = (TrialState.RUNNING.value, PAUSED, *(state.value for state in TrialState if state is not TrialState.RUNNING))


class SweepFiles:
    """A sweep's files as of now; a file is read again only where it has changed.

    Args:
        directory: The sweep's.

    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        reader = LedgerReader(directory / layout.LEDGER_FILE)
        self._ledger = CachedFile(directory / layout.LEDGER_FILE, lambda _: _as_of(reader.now()))
        self._launch = CachedFile(
            directory / layout.LAUNCH_FILE, lambda path: read_launch(path.parent, self.ledger()[0])
        )
        self.histories = TrialHistories(directory)
        self._results: dict[str, CachedFile[Result | None]] = {}

    def ledger(self) -> tuple[Mapping[str, Any], dict[str, TrialRecord], Closing | None]:
        """Fingerprint, trials and closing."""
        return self._ledger.now()

    def launch(self) -> Launch:
        """The last launch."""
        return self._launch.now()

    def reports(self, record: TrialRecord) -> list[Report]:
        """A trial's history, where it lacks nothing that it held when the trial ended."""
        return self.histories.whole(record)

    def result(self, record: TrialRecord) -> Result | None:
        """A trial's result, where it finished."""
        path = record.within(self.directory) / RESULT
        return self._results.setdefault(record.id, CachedFile(path, lambda path: read_result(path.parent))).now()

    def state(self, record: TrialRecord) -> str:
        """A trial's state: that of the ledger, or `PAUSED` where nothing works on it."""
        is_paused = record.state is TrialState.RUNNING and record.turn_epochs > 0
        if is_paused and not (record.within(self.directory) / layout.HEARTBEAT_FILE).exists():
            return PAUSED
        return str(record.state)

    def trial(self, named: str) -> TrialRecord:
        """The trial of that name.

        Raises:
            ConfigError: There is none.

        """
        known = self.ledger()[1]
        if named not in known:
            fix = nearest(named, list(known)) if known else "it has no trials yet"
            raise ConfigError(f"no trial {named!r} in {self.directory}; {fix}")
        return known[named]


def _as_of(state: LedgerState) -> tuple[Mapping[str, Any], dict[str, TrialRecord], Closing | None]:
    """What later lines do not change any more."""
    return state.fingerprint, dict(state.trials), state.closing
