"""Reader of a ledger: whole lines in their order, and each line once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from intelligen.config.schema.plugins import require_packages
from intelligen.errors import StorageError, UnavailableError
from intelligen.state.checksummed_json import unseal
from intelligen.state.lost_ledger import TRIAL_FOLDERS
from intelligen.state.trial_integrity import FIX
from intelligen.state.trial_records import LedgerState


class LedgerReader:
    """A ledger's state as of now; each look reads what was appended since the last one.

    A file that has not grown as ledgers do is read from its beginning: one that was replaced, is shorter, was changed
    without growing, or whose last line is another. A last line that is not whole waits until it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: LedgerState | None = None
        self._stamp = 0, 0, 0
        """Of the file when it was last read: inode, size, time of its last change."""
        self._last = b""
        """The last whole line."""
        self.lines = 0
        """Whole ones, and so the next sequence number."""
        self.length = 0
        """In bytes, of the whole lines."""

    def now(self) -> LedgerState:
        """The state; the same object at each look as long as the file only grows.

        Raises:
            StorageError: There is no ledger, it is damaged, or it has lost trials.
            UnavailableError: A package that it was trained with is not installed here.

        """
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                state = self._grown(file, stat) or self._anew(file)
                self._stamp = stat.st_ino, stat.st_size, stat.st_mtime_ns
                return state
        except OSError as error:
            self._forget()
            raise StorageError(f"{self._path}: cannot read the ledger: {error.strerror}") from error
        except BaseException:
            self._forget()
            raise

    def _grown(self, file: BinaryIO, stat: os.stat_result) -> LedgerState | None:
        """The state with what was appended; none where that is not all that has happened to the file."""
        if self._state is None or stat.st_ino != self._stamp[0] or stat.st_size < self._stamp[1]:
            return None
        if stat.st_size == self._stamp[1] and stat.st_mtime_ns != self._stamp[2]:
            return None
        file.seek(self.length - len(self._last))
        content = file.read()
        if not content.startswith(self._last):
            return None
        self._add(self._state, content[len(self._last) :].split(b"\n")[:-1])
        return self._state

    def _anew(self, file: BinaryIO) -> LedgerState:
        self._forget()
        # A trial's directory follows its line, so these are looked for first: a launch may go on meanwhile.
        made = _made(self._path.parent)
        file.seek(0)
        state = self._first(file.read().split(b"\n")[:-1])
        known = {record.directory for record in state.trials.values()}
        if lost := [folder for folder in made if folder not in known]:
            raise StorageError(f"{self._path}: it has lost {', '.join(lost)}, which are there; {FIX}")
        self._state = state
        return state

    def _first(self, lines: Sequence[bytes]) -> LedgerState:
        if not lines:
            raise StorageError(f"{self._path}:1: the ledger is empty; {FIX}")
        try:
            entry = _entry(lines[0], 0)
            state = LedgerState(entry["header"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(1, error) from error
        self._count(lines[0])
        self._add(state, lines[1:])
        try:
            require_packages(state.fingerprint.get("plugins", {}))
        except UnavailableError as error:
            raise UnavailableError(f"{self._path.parent}: {error}") from None
        return state

    def _add(self, state: LedgerState, lines: Sequence[bytes]) -> None:
        for line in lines:
            try:
                state.apply(_entry(line, self.lines))
            except (KeyError, TypeError, ValueError) as error:
                raise self._damaged(self.lines + 1, error) from error
            self._count(line)

    def _count(self, line: bytes) -> None:
        self.lines += 1
        self.length += len(line) + 1
        self._last = line + b"\n"

    def _forget(self) -> None:
        self._state, self._last, self.lines, self.length = None, b"", 0, 0

    def _damaged(self, line: int, error: Exception) -> StorageError:
        return StorageError(f"{self._path}:{line}: damaged ({type(error).__name__}: {error}); {FIX}")


def _entry(line: bytes, seq: int) -> dict[str, Any]:
    entry = unseal(line.decode())
    if entry["seq"] != seq:
        raise ValueError(f"sequence number {entry['seq']} where {seq} belongs")
    return entry


def _made(directory: Path) -> list[str]:
    """The trials' directories that are there."""
    return [f"{folder}/{one.name}" for folder in TRIAL_FOLDERS for one in sorted((directory / folder).glob("[!.]*/"))]
