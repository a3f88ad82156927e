"""Probes of storage, MLflow and Ray: used for a moment, then removed."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from intelligen.addresses import SqliteAddress
from intelligen.errors import IntelligenError
from intelligen.state.atomic_files import write_synced
from intelligen.state.file_lock import FileLock
from intelligen.state.redaction import redact_text
from intelligen.tracking.mlflow_store import failures, open_client

MIB = 2**20
_START_TIMEOUT_S = 120
_START_RAY = """
import ray, ray.train
ray.init(address="local", num_cpus=1, include_dashboard=True, dashboard_host="127.0.0.1", log_to_driver=False,
         configure_logging=False)
assert ray.get(ray.remote(lambda: 1).remote(), timeout=60) == 1
"""


class ProbeError(Exception):
    """What was probed cannot be used; the message says why."""


@dataclass(frozen=True)
class StoreProbe:
    """How a directory took a write."""

    seconds: float
    skew_s: float
    """The file's time minus ours."""


def probe_store(directory: Path) -> StoreProbe:
    """Write, sync, lock and read back a megabyte below a directory.

    Raises:
        ProbeError: It cannot be written or locked, or gives back something else.

    """
    content = os.urandom(MIB)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=directory) as folder:
            path = Path(folder) / "probe"
            begun = time.perf_counter()
            with path.open("wb") as file:
                write_synced(file, content)
            now, dated = time.time(), path.stat().st_mtime
            FileLock(path.with_name("lock")).release()
            same = path.read_bytes() == content
            seconds = time.perf_counter() - begun
    except (OSError, IntelligenError) as error:
        raise ProbeError(f"{directory}: {getattr(error, 'strerror', None) or error}") from error
    if not same:
        raise ProbeError(f"{directory}: the data read back differ from the data written")
    return StoreProbe(seconds, dated - now)


def probe_tracking(tracking_uri: str) -> str:
    """What a look at the MLflow store finds; a store that is not there yet is not made.

    Raises:
        ProbeError: It does not answer, or cannot be made where it is to be.

    """
    if (address := SqliteAddress.parse(tracking_uri)) is not None:
        return _probe_sqlite(address.path)
    scheme = urlsplit(tracking_uri).scheme.partition("+")[0]
    if scheme in ("http", "https"):
        try:
            found = open_client(tracking_uri).search_experiments(max_results=1)
        except failures() as error:
            raise ProbeError(_reason(error)) from error
        return "answers" if found else "reachable, without experiments so far"
    return _probe_database(tracking_uri)


def probe_ray() -> float:
    """Start Ray, with its dashboard as a sweep does, run one task and stop it; returns the seconds that it took.

    Raises:
        ProbeError: It does not start, or not in time.

    """
    begun = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603 # a process of its own: the caller's may have joined a cluster
            [sys.executable, "-c", _START_RAY],
            env={"RAY_USAGE_STATS_ENABLED": "0", **os.environ},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"does not start within {_START_TIMEOUT_S} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise ProbeError(f"does not start: {redact_text(lines[-1] if lines else 'no output')}")
    return time.perf_counter() - begun


def _probe_sqlite(database: Path) -> str:
    if not database.exists():
        parent = next(path for path in database.parents if path.exists())
        if not os.access(parent, os.W_OK):
            raise ProbeError(f"{parent} cannot be written")
        return "does not exist yet; the first sweep creates it"
    try:
        # Read only: MLflow's own client would bring an old database up to date.
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (count,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ProbeError(_reason(error)) from error
    for path in (database, database.parent):  # SQLite keeps a journal beside it
        if not os.access(path, os.W_OK):
            raise ProbeError(f"{path} can be read, but not written")
    return f"holds {count} experiments"


def _probe_database(tracking_uri: str) -> str:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(tracking_uri)
        engine.connect().close()
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise ProbeError(_reason(error)) from error
    return "answers"


def _reason(error: Exception) -> str:
    return (redact_text(str(error).partition("\n")[0]) or type(error).__name__)[:300]
