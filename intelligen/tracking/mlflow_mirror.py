"""MLflow mirror: brings MLflow up to date with a sweep's files, at any time; training never waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from intelligen.errors import CannotCreateError, IntelligenError, StorageError
from intelligen.state.file_lock import FileLock
from intelligen.state.redaction import redact_text
from intelligen.state.sweep_files import SweepFiles
from intelligen.tracking.mlflow_runs import MlflowRuns
from intelligen.tracking.mlflow_store import RefusedError, ensure_store, failed, failures, open_client
from intelligen.tracking.saved_views import SavedViews

LOCK_FILE = "mirror.lock"

_LONGEST_PAUSE_S = 60.0
_FINAL_PAUSE_S = 0.5
# What the next try would meet again.
_LASTING = (RefusedError, StorageError, CannotCreateError)

_log = logging.getLogger(__name__)


class MlflowMirror:
    """Shows one sweep in MLflow. What is there is read from MLflow, so no state can be lost on this side."""

    def __init__(self, sweep_directory: Path, *, tracking_uri: str, experiment: str, interval_s: float = 2.0) -> None:
        self._directory = sweep_directory
        self._files = SweepFiles(sweep_directory)
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._interval_s = interval_s
        self._pass_lock = threading.Lock()
        self._lock: FileLock | None = None
        self._runs: MlflowRuns | None = None
        self._views = SavedViews()
        self._thread: threading.Thread | None = None
        self._opened: Future[None] = Future()
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._failing = False
        self._has_failed = False
        self._all_there = False
        self.refusal: str | None = None
        """Why MLflow will not hold everything, however often it is tried: a refusal, or a file that is no use."""

    def sync(self) -> None:
        """One pass: afterwards MLflow holds what the files held when the pass began.

        Raises:
            RefusedError: MLflow refuses, and will until the cause is fixed.
            UnavailableError: MLflow failed; nothing is lost, and the next pass goes on from what is there.
            BusyError: another process mirrors this sweep.
            StorageError: the sweep's files are damaged, or its disk is full.
            CannotCreateError: a file may not be written.

        """
        with self._pass_lock:
            # Held until `close`: two mirrors could both create the run that neither found.
            self._lock = self._lock or FileLock(self._directory / LOCK_FILE)
            try:
                self._pass()
            except BaseException as error:
                # It is not known whether the last write arrived.
                self._runs = None
                if isinstance(error, failures()):
                    raise failed(self._tracking_uri, error) from error
                raise

    def start(self) -> None:
        """Sync in the background from now on, ever more rarely while it fails."""
        self._begin(self._keep_in_step)

    def open(self) -> None:
        """In the background make the store ready, and then sync as after `start`; `require_store` says how it went."""
        self._begin(self._open)

    def require_store(self) -> None:
        """Wait until the store is there, which `open` makes ready.

        Raises:
            ConfigError: the address has a scheme that MLflow cannot keep a sweep in.
            CannotCreateError: the database's directory cannot be written.
            UnavailableError: the server or database does not answer, or MLflow refuses.

        """
        self._opened.result()

    def is_without_store(self, error: BaseException) -> bool:
        """Whether this is the error that `require_store` has raised."""
        return self._opened.done() and self._opened.exception() is error

    def close(self, timeout_s: float) -> bool:
        """Sync a last time, trying again until the time is over or MLflow refuses; True says that all is there."""
        self._deadline = time.monotonic() + timeout_s
        self._stopping.set()
        if self._thread is None:
            self.start()
        assert self._thread is not None
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        return self._all_there

    def _begin(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="mlflow-mirror", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            ensure_store(self._tracking_uri, self._experiment)
        except BaseException as error:
            self._opened.set_exception(error)
        else:
            self._opened.set_result(None)
            self._keep_in_step()

    def _pass(self) -> None:
        fingerprint, trials, closing = self._files.ledger()
        if self._runs is None:
            experiment_id = ensure_store(self._tracking_uri, self._experiment)
            client = open_client(self._tracking_uri)
            self._runs = MlflowRuns(
                client, experiment_id, files=self._files, fingerprint=fingerprint, views=self._views
            )
        self._runs.update(trials, closing)

    def _keep_in_step(self) -> None:
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            succeeded = self.try_sync()
            pause_s = self._interval_s if succeeded else min(2 * pause_s + self._interval_s, _LONGEST_PAUSE_S)
        if self._has_failed:
            # What seemed lost may have been written since, and would be there twice: look again.
            self._runs = None
        refused = False
        while not self.try_sync():
            # A pass that follows a failure looks afresh: what is refused then is not what was remembered wrongly.
            if (refused and self.refusal) or time.monotonic() + _FINAL_PAUSE_S >= self._deadline:
                return
            refused = self.refusal is not None
            time.sleep(_FINAL_PAUSE_S)
        self._all_there = True

    def try_sync(self) -> bool:
        """One pass; False, after one line in the log, where MLflow does not hold everything yet."""
        try:
            self.sync()
        except Exception as error:
            # Of any kind: stores of artifacts raise errors of their own libraries, and no later pass may miss its turn.
            self.refusal = str(error) if isinstance(error, _LASTING) else None
            if not self._failing:
                what = str(error) if isinstance(error, IntelligenError) else f"MLflow: {type(error).__name__}: {error}"
                _log.warning("%s. The sweep goes on; MLflow will catch up.", redact_text(what))
            self._failing = self._has_failed = True
            return False
        if self._failing:
            _log.warning("MLflow has caught up.")
        self._failing, self.refusal = False, None
        return True
