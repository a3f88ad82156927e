"""Processes of a sweep: in what environment they start, and who uses the processors while it runs."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

LAUNCHER, TRIALS, SERVICES = "launcher", "trials", "Ray's services"
EVERY_S = 1.0
_NOT_A_USERS = ("RAY_", "MLFLOW_", "INTELLIGEN_", "PYTHONDONTWRITEBYTECODE")


def a_users_environment(root: Path) -> dict[str, str]:
    """The variables of this process with the code in `root`, and without what would send a sweep elsewhere.

    Images set `PYTHONDONTWRITEBYTECODE`. Then each process would compile what it imports.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_A_USERS)}
    return kept | {"PYTHONPATH": str(root)}


class ProcessorTimes:
    """Samples a launcher and all that it has started, once a second, until it is told to stop."""

    def __init__(self, launcher: int) -> None:
        self._launcher = psutil.Process(launcher)
        self._seen: dict[int, float] = {}
        self._used: Counter[str] = Counter()
        self._samples: list[tuple[float, Counter[str]]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        """End with the last sample."""
        self._stopped.set()
        self._thread.join()

    def between(self, first_s: float, last_s: float) -> dict[str, float]:
        """Kind of process → processor seconds from one sample to another, those nearest to two times (since 1970)."""
        first, last = (min(self._samples, key=lambda sample: abs(sample[0] - end))[1] for end in (first_s, last_s))
        return {kind: last[kind] - first[kind] for kind in (TRIALS, LAUNCHER, SERVICES)}

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                processes = [self._launcher, *self._launcher.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in processes:
                try:
                    times, kind = process.cpu_times(), self._kind(process)
                except psutil.Error:
                    continue  # it has just ended
                used = times.user + times.system
                self._used[kind] += used - self._seen.get(process.pid, 0)
                self._seen[process.pid] = used
            self._samples.append((time.time(), self._used.copy()))

    def _kind(self, process: psutil.Process) -> str:
        if process == self._launcher:
            return LAUNCHER
        # Ray names a worker's process after what it does, and IDLE while it waits.
        title = " ".join(process.cmdline())
        return TRIALS if title.startswith("ray::") and not title.startswith("ray::IDLE") else SERVICES
