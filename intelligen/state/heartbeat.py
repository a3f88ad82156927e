"""Heartbeat file of a running trial: touched at most once a second; names host and pid."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from intelligen.state import layout
from intelligen.state.atomic_files import write_atomically
from intelligen.state.memory_peak import keeping_peak

EVERY_S = 1.0


@dataclass(frozen=True)
class WorkerProcess:
    """The process that works on a trial; of several, the one of rank 0."""

    host: str
    pid: int
    started_s: float
    """Seconds since 1970: a process' number is given again, but with another start."""
    memory_kills: int | None = None
    """How often its host's kernel had killed for memory when it began; none where that is not known."""

    @classmethod
    def this_process(cls) -> "WorkerProcess":
        """The current process."""
        process = psutil.Process()
        return cls(socket.gethostname(), process.pid, process.create_time(), memory_kills())

    def process(self) -> psutil.Process | None:
        """The process, where it still lives; ask on its own host."""
        try:
            found = psutil.Process(self.pid)
            return found if found.create_time() == self.started_s else None
        except psutil.NoSuchProcess:
            return None


def memory_kills() -> int | None:
    """How often the kernel here has killed a process for memory since it started; none where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


@contextmanager
def heartbeat(directory: Path, *, rank: int) -> Iterator[Callable[[], None]]:
    """Yields what a trial's process calls when it makes progress; the file changes at most once a second.

    The peak of its memory is kept beside it.

    Args:
        directory: The trial's.
        rank: Of the process among the trial's; only rank 0 writes a file.

    """
    if rank != 0:
        yield lambda: None
        return
    path = directory / layout.HEARTBEAT_FILE
    write_atomically(path, json.dumps(asdict(WorkerProcess.this_process())))
    beaten_s = time.monotonic()

    def beat() -> None:
        nonlocal beaten_s
        if time.monotonic() - beaten_s >= EVERY_S:
            os.utime(path)
            beaten_s = time.monotonic()

    try:
        with keeping_peak(directory):
            yield beat
    finally:
        # A reused process goes on with another trial.
        path.unlink(missing_ok=True)


def read_worker(directory: Path) -> WorkerProcess | None:
    """The process that works on a trial, or did when it was killed."""
    try:
        return WorkerProcess(**json.loads((directory / layout.HEARTBEAT_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def last_heartbeat(directory: Path) -> int | None:
    """A value that changes with every heartbeat. It is no time, because the clocks of two hosts differ."""
    try:
        return (directory / layout.HEARTBEAT_FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return None
