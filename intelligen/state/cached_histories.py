"""Cached histories of a sweep's trials: each is read again only where it has changed."""

from pathlib import Path

from intelligen.state.cached_file import CachedFile
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_integrity import require_reports
from intelligen.state.trial_records import TrialRecord


class TrialHistories:
    """What the trials of one sweep have reported, as of now.

    Args:
        sweep_directory: Their records' directories are relative to it.

    """

    def __init__(self, sweep_directory: Path) -> None:
        self._sweep_directory = sweep_directory
        self._known: dict[str, CachedFile[list[Report]]] = {}

    def reports(self, record: TrialRecord) -> list[Report]:
        """A trial's epochs so far, oldest first.

        Raises:
            StorageError: The history is damaged, or cannot be read.

        """
        return self._known.setdefault(record.id, CachedFile(self._path(record), read_history)).now()

    def whole(self, record: TrialRecord) -> list[Report]:
        """The same, where none is missing.

        Raises:
            StorageError: The history is damaged, or lacks what it held when the trial ended.

        """
        reports = self.reports(record)
        require_reports(record, self._path(record), reports)
        return reports

    def _path(self, record: TrialRecord) -> Path:
        return record.within(self._sweep_directory) / HISTORY_FILE
