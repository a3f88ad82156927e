"""Watchdog: ends a trial whose process lives but makes no progress."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import ray

from intelligen.analysis.trial_outcome import last_line
from intelligen.config.schema.resources import Resources
from intelligen.state.failure_file import write_failure
from intelligen.state.heartbeat import WorkerProcess, last_heartbeat, read_worker
from intelligen.state.trial_records import SHARED, TrialRecord, TrialState
from intelligen.sweep.cluster.host_query import query_host
from intelligen.sweep.sweep_context import SweepContext

POLL_S = 1.0

_log = logging.getLogger(__name__)


@contextmanager
def watching_progress(context: SweepContext) -> Iterator[None]:
    """End trials that make no progress for as long as their resources allow, from a thread."""
    over = threading.Event()
    watchdog = Watchdog(context)

    def look() -> None:
        while not over.wait(POLL_S):
            watchdog.look()

    looking = threading.Thread(target=look, name="watchdog", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


class Watchdog:
    """Remembers when it last saw each running trial's heartbeat change, by its own clock.

    Args:
        context: The launch.

    """

    def __init__(self, context: SweepContext) -> None:
        self._context = context
        self._beats: dict[str, tuple[int, float]] = {}

    def look(self) -> None:
        """End trials that have made no progress for too long."""
        for record in self._context.ledger.trials.values():
            longest_s = self._resources(record).no_progress_s
            if record.state is not TrialState.RUNNING or longest_s is None:
                continue
            beat = last_heartbeat(self._context.directory_of(record))
            if beat is None:
                continue
            known, since_s = self._beats.setdefault(record.id, (beat, time.monotonic()))
            if known != beat:
                self._beats[record.id] = beat, time.monotonic()
            elif time.monotonic() - since_s >= longest_s:
                self._end(record, longest_s)
                self._beats[record.id] = beat, time.monotonic()

    def _resources(self, record: TrialRecord) -> Resources:
        sweep = self._context.sweep
        return sweep.baseline if record.kind in SHARED else sweep.resources

    def _end(self, record: TrialRecord, longest_s: float) -> None:
        directory = self._context.directory_of(record)
        worker = read_worker(directory)
        if worker is None:
            return
        try:
            if query_host(worker.host, waits_for_disk, worker):
                # Its storage hangs: that is no doing of the trial's, so no word is left and no attempt counts.
                self._context.stalled.add(record.id)
                query_host(worker.host, end_worker, worker)
            else:
                query_host(worker.host, end_worker, worker, str(directory), f"no progress for {longest_s:g} s")
        except ray.exceptions.RayError as error:
            _log.warning("%s makes no progress, and its process cannot be ended: %s", record.id, last_line(error))


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def waits_for_disk(worker: WorkerProcess) -> bool:
    """On its own host: whether a process is inside a call to a disk or a file server that does not return."""
    process = worker.process()
    return process is not None and process.status() == psutil.STATUS_DISK_SLEEP


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def end_worker(worker: WorkerProcess, directory: str | None = None, reason: str = "") -> None:
    """On its own host: kill a process where it still lives, and write the reason into the trial's directory."""
    process = worker.process()
    if process is not None:
        if directory is not None:
            write_failure(Path(directory), reason)
        process.kill()
