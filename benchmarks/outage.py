"""A tracking server that hangs, then dies, in the midst of a sweep costs nothing: trials go on, every row stands once.

    python benchmarks/outage.py [--seconds 60]

A sweep runs through `launch.py` against a real `mlflow server` on this machine's loopback. The server is stopped
(SIGSTOP) for the first half of the outage, killed for the second, and started again. The figures are of the trials'
histories and of the server's database.
"""

import argparse
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord
from intelligen.tracking.mlflow_mapping import report_metrics

LAUNCH = Path(__file__).parents[1] / "launch.py"
AROUND_S = 40
"""Search before and after the outage, in all."""
EXPERIMENT = """
version: 1
name: outage
data:
  corpus: {name: embedded, train: 2000, valid: 60, test: 20}
  tokenizer: {vocabulary: 400}
  max_tokens: 100
model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 128}
training: {epochs: 1, epoch_updates: 100, batch_tokens: 500, optimizer: {learning_rate: 5.0e-3}}
finetuning:
  epochs: 5
  epoch_updates: 50
  batch_tokens: 500
  schedule: {name: constant, warmup_updates: 0}
  health: {patience: null}
"""
SWEEP = """
version: 1
name: outage
experiment: experiment.yaml
space: {{finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-4, 1.0e-3]}}}}
scheduler: {{name: none}}
budget: {{wall_hours: {hours}}}
"""


@dataclass(frozen=True)
class Outage:
    """When the server was away, in milliseconds since 1970, and what its database held."""

    began_ms: float
    ended_ms: float
    rows_before: int
    rows_after: int


@contextmanager
def served(store: Path, port: int) -> Iterator[int]:
    """A server once it answers; yields its process group."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}", "--artifacts-destination", str(store.parent / "served")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=os.environ | quiet, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as server:
        try:
            wait_for(lambda: answers(port))
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def answers(port: int) -> bool:
    """Whether the server does."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(condition: Callable[[], bool], timeout_s: float = 300) -> None:
    """Look ten times a second."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not come so far in time")
        time.sleep(0.1)


def points(store: Path) -> Counter[tuple[str, str, int]]:
    """(trial, metric, step) → how often it stands in the database."""
    with closing(sqlite3.connect(store, timeout=60)) as database:
        found = database.execute(
            "select tags.value, metrics.key, step from metrics join tags on tags.run_uuid = metrics.run_uuid"
            " where tags.key = 'trial_id'"
        )
        return Counter(found.fetchall())


@contextmanager
def launched(place: Path, tracking_uri: str) -> Iterator[subprocess.Popen[bytes]]:
    """The sweep's launcher; it does not outlive this process' interest."""
    command = [sys.executable, str(LAUNCH), "sweep.yaml", "--local", "--tracking-uri", tracking_uri]
    with (
        (place / "output").open("w") as output,
        subprocess.Popen(command, cwd=place, stdout=output, stderr=output) as launch,
    ):
        try:
            yield launch
        finally:
            launch.terminate()


def sweep_through(place: Path, *, seconds: float) -> tuple[int, Outage]:
    """Launch the sweep, take its server away for a while, and wait for its end."""
    (place / "experiment.yaml").write_text(EXPERIMENT)
    (place / "sweep.yaml").write_text(SWEEP.format(hours=(seconds + AROUND_S) / 3600))
    store = place / "mlflow.db"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with ExitStack() as running:
        with served(store, port) as group:
            launch = running.enter_context(launched(place, f"http://127.0.0.1:{port}"))
            wait_for(lambda: any(trial != "baseline-1" for trial, _, _ in points(store)))
            began, before = time.time(), points(store).total()
            os.killpg(group, signal.SIGSTOP)
            time.sleep(seconds / 2)
        time.sleep(seconds / 2)
        after = points(store).total()
        with served(store, port):
            ended = time.time()
            code = launch.wait()
    return code, Outage(1000 * began, 1000 * ended, before, after)


def histories(place: Path) -> list[tuple[TrialRecord, list[Report]]]:
    """Trials with their reports."""
    sweep = layout.sweep(place / "runs", "outage")
    records = read_ledger(sweep)[1].values()
    return [(record, read_history(sweep / record.directory / HISTORY_FILE)) for record in records]


def paces(told: list[tuple[TrialRecord, list[Report]]], outage: Outage) -> tuple[list[float], list[float]]:
    """Seconds between one report of a trial and its next: while the server was away, and otherwise."""
    away, otherwise = [], []
    for _, reports in told:
        for one, other in pairwise(reports):
            overlaps = one.time_ms < outage.ended_ms and other.time_ms > outage.began_ms
            (away if overlaps else otherwise).append((other.time_ms - one.time_ms) / 1000)
    return away, otherwise


def _summary(seconds: list[float]) -> str:
    # A server that is slow to come back may leave no time after the outage.
    return f"median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}" if seconds else "none"


def main() -> int:
    """Print the figures; 1 where something was lost, doubled or late."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60.0, help="of the outage")
    seconds = options.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        code, outage = sweep_through(place, seconds=seconds)
        told, stand = histories(place), points(place / "mlflow.db")
    times_ms = [report.time_ms for _, reports in told for report in reports]
    meanwhile = sum(outage.began_ms < time_ms < outage.ended_ms for time_ms in times_ms)
    due = Counter(
        (record.id, metric, report.update)
        for record, reports in told
        for report in reports
        for metric in report_metrics(record, report)
    )
    missing = due - stand
    doubled = sum(times - 1 for times in stand.values())
    away, otherwise = paces(told, outage)
    print(f"exit code                     {code}")
    print(f"trials, reports               {len(told)}, {len(times_ms)}")
    print(f"server away                   {(outage.ended_ms - outage.began_ms) / 1000:.0f} s")
    print(f"reports meanwhile             {meanwhile}")
    print(f"rows written meanwhile        {outage.rows_after - outage.rows_before}")
    print(f"rows in the end               {stand.total()}: {missing.total()} missing, {doubled} doubled")
    print(f"s between reports meanwhile   {_summary(away)}")
    print(f"s between reports otherwise   {_summary(otherwise)}")
    return int(bool(code or missing or doubled or not meanwhile or outage.rows_after != outage.rows_before))


if __name__ == "__main__":
    sys.exit(main())
