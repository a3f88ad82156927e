"""Logs of a sweep's trials: followed like `tail -f`, each from where it was last read."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intelligen.analysis.best_settings import SweepSettings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.early_stop_words import compared_with
from intelligen.analysis.eta import duration
from intelligen.config.document import nearest
from intelligen.config.experiment_lines import settings_lines
from intelligen.errors import ConfigError
from intelligen.state.ledger import LOCK_FILE
from intelligen.state.lock_owner import find_lock_owner
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState

# On a shared directory several hosts cannot append to one file, so every rank has its own.
LOGS = "trial*.log"


class TrialLogs:
    """The logs of one trial, or of a row's, or of those under way, or of the last one.

    Args:
        files: The sweep's.
        named: A trial's name in the ledger, or a row's in the table; none = of those under way, or of the last one.

    Raises:
        ConfigError: The sweep has no such trial or row, or none of the row has begun.

    """

    def __init__(self, files: SweepFiles, named: str | None) -> None:
        self._files = files
        self._named = named
        self._settings = SweepSettings.read(files)
        self._read: dict[Path, int] = {}
        self._shown: Path | None = None
        self._chosen: dict[str, None] = {}
        if named is not None and not self._own(files.ledger()[1], named):
            raise ConfigError(self._why_none(named))

    def lines(self, *, last: int | None = None) -> Iterator[str]:
        """New lines since the last call, with a heading where another file begins; only the last ones of each."""
        for record in self._records():
            for path in self._paths(record):
                new = deque(self._new_lines(path), maxlen=last)
                if new and path != self._shown:
                    self._shown = path
                    yield f"==> {record.id} {record.row}: {path}"
                    yield from (f"    {line}" for line in settings_lines(self._settings.of(record)))
                yield from new

    def beginnings(self) -> list[str]:
        """Which of the trials that were shown have begun and written no log; none where no launch runs."""
        if find_lock_owner(self._files.directory / LOCK_FILE) is None:
            return []
        trials = self._files.ledger()[1]
        records = [trials[name] for name in self._chosen if trials[name].state is TrialState.RUNNING]
        return [
            f"{record.id}: no log yet: its workers are starting"
            f" ({duration(max(0.0, time.time() - record.started_ms / 1000))})"
            for record in records
            if not self._paths(record)
        ]

    def endings(self) -> list[str]:
        """How the trials that were shown ended, as the ledger knows it; a killed process writes no last line."""
        trials = self._files.ledger()[1]
        records = [trials[name] for name in self._chosen]
        return [
            f"{record.id} {record.state}: {self._why(record)}" + ("" if self._paths(record) else " (it has no log)")
            for record in records
            if record.state is not TrialState.RUNNING
        ]

    def _why(self, record: TrialRecord) -> str:
        """Why it ended, and what it was compared with."""
        trials = self._files.ledger()[1]
        histories = {name: self._files.reports(one) for name, one in trials.items()}
        others = compared_with(record, trials, histories, self._settings.sweep)
        return f"{record.stop_reason}: {others}" if others else str(record.stop_reason)

    def under_way(self) -> bool:
        """Whether more may come: the sweep runs, and so do the trials."""
        if find_lock_owner(self._files.directory / LOCK_FILE) is None:
            return False
        if self._named is None:
            return True
        trials = self._files.ledger()[1]
        return any(trials[name].state is TrialState.RUNNING for name in self._own(trials, self._named))

    def document(self, last: int | None) -> dict[str, Any]:
        """As JSON; the keys are documented in docs/commands.md."""
        compared = ComparedRows.recorded(self._files.ledger()[0])
        trials = [
            compared.documented(
                {
                    "trial": record.id,
                    "strategy": record.row,
                    "state": record.state,
                    "stop_reason": record.stop_reason,
                    "settings": self._settings.of(record),
                    "logs": [
                        {"file": str(path), "lines": list(deque(self._new_lines(path), maxlen=last))}
                        for path in self._paths(record)
                    ],
                }
            )
            for record in self._records()
        ]
        return {"format": 1, "directory": str(self._files.directory), "trials": trials}

    def _records(self) -> list[TrialRecord]:
        """What is shown now; whatever was shown once is shown to its end."""
        trials = self._files.ledger()[1]
        if self._named is not None:
            chosen = self._own(trials, self._named)
        else:
            chosen = [name for name, record in trials.items() if record.state is TrialState.RUNNING]
            chosen = chosen or ([] if self._chosen else list(trials)[-1:])
        self._chosen |= dict.fromkeys(chosen)
        return [trials[name] for name in self._chosen]

    @staticmethod
    def _own(trials: Mapping[str, TrialRecord], named: str) -> list[str]:
        """The trial of that name, or those of that row."""
        if named in trials:
            return [named]
        return [name for name, record in trials.items() if record.table_row == named]

    def _why_none(self, named: str) -> str:
        """That nothing has the name, and which names there are; or that the row's turn has not come yet."""
        fingerprint, trials, _ = self._files.ledger()
        compared = ComparedRows.recorded(fingerprint)
        rows = dict.fromkeys([*compared.variants, *(record.table_row for record in trials.values())])
        if named in rows:
            return f"{self._files.directory}: no trial of the {compared.word} {named} has begun yet"
        known = f"there are {', '.join([*rows, *trials]) or 'none yet'}"
        hint = nearest(named, [*rows, *trials])
        fix = f"{known}; {hint}" if hint.endswith("?") else known
        return f"no trial {named!r} in {self._files.directory}, and no {compared.word} of that name; {fix}"

    def _paths(self, record: TrialRecord) -> list[Path]:
        return sorted(record.within(self._files.directory).resolve().glob(LOGS))

    def _new_lines(self, path: Path) -> Iterator[str]:
        """Whole lines behind what was read before."""
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        yield from whole.decode("utf-8", errors="replace").split("\n")[:-1]
