"""File lock of one process: the kernel releases it when its owner dies, even by kill -9."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intelligen.errors import BusyError, CannotCreateError

_POLL_S = 0.1


class FileLock:
    """An exclusive lock on a file, which names its owner. The file stays: removing it would let two owners in."""

    def __init__(self, path: Path, *, wait_s: float = 0.0) -> None:
        """Take the lock, or wait for it for a while.

        Raises:
            BusyError: another process holds it.
            CannotCreateError: the file cannot be created.

        """
        try:
            # Python opens files close-on-exec, so processes that the holder starts do not inherit the lock.
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise CannotCreateError(f"{path}: cannot create the lock file: {error.strerror}") from error
        deadline = time.monotonic() + wait_s
        while not self._taken():
            if time.monotonic() >= deadline:
                owner = self._owner()
                self._file.close()
                raise BusyError(f"{path}: held by {owner}: wait for it to end, or stop it")
            time.sleep(_POLL_S)
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        self._file.flush()

    def release(self) -> None:
        """Release the lock."""
        self._file.close()

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> str:
        self._file.seek(0)
        try:
            owner = json.loads(self._file.read())
        except json.JSONDecodeError:
            return "a process that has only just taken it"
        return f"pid {owner['pid']} on host {owner['host']}"


@contextmanager
def trial_lock(directory: Path) -> Iterator[None]:
    """Hold a trial's directory: a baseline is shared by sweeps and commands, and only one may train it.

    Raises:
        BusyError: another process trains it.
        CannotCreateError: the directory cannot be written.

    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"{directory}: cannot create: {error.strerror}; name another place") from error
    lock = FileLock(directory / "trial.lock")
    try:
        yield
    finally:
        lock.release()
