"""Lock owner of a sweep: read from the lock's file and the process table, without taking the lock."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class LockOwner:
    """The process that holds a lock."""

    pid: int
    host: str
    certain: bool
    """Whether it was seen to hold the lock; a process on another host cannot be looked at."""

    def __str__(self) -> str:
        return f"pid {self.pid} on host {self.host}"


def find_lock_owner(lock: Path) -> LockOwner | None:
    """The owner of the lock, as far as can be seen from here; None = none, or one that has only just taken it."""
    try:
        stored = json.loads(lock.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if stored["host"] != socket.gethostname():
        return LockOwner(stored["pid"], stored["host"], certain=False)
    # The file outlives its holder, and a notebook outlives its sweep: who holds the lock has its file open.
    return LockOwner(stored["pid"], stored["host"], certain=True) if _has_open(stored["pid"], lock) else None


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(Path(file.path) == path.resolve() for file in psutil.Process(pid).open_files())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's process, which may be ours to wait for
        return True
