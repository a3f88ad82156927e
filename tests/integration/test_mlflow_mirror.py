"""MLflow, on a real SQLite store, equals the sweep's files after any pass, any kill and any failure."""

import json
import math
import os
import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intelligen.errors import BusyError, ConfigError, StorageError, UnavailableError
from intelligen.tracking.ledger import LEDGER_FILE, Ledger
from intelligen.tracking.mirror import MlflowMirror
from intelligen.tracking.records import SweepStatus, TrialState
from intelligen.tracking.store import ensure_store, open_client
from intelligen.training.history import History, Report, Sample

EXPERIMENT = "behaviour"
CLOSED_PORT = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("store with space") / "mlflow.db"
    ensure_store(f"sqlite:///{database}", EXPERIMENT)
    return database


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    directory = tmp_path / "sweep"
    header = {
        "sweep_id": tmp_path.name,
        "sweep": {
            "name": "quick",
            "question": "Which strategy wins?",
            "objective": {"metric": "valid/bleu", "direction": "maximize"},
        },
        "experiment": {"name": "multi30k", "data": {"corpus": {"name": "embedded", "seed": 1}}},
        "git_commit": "0123abc",
        "host": "node1",
        "versions": {"torch": "2.13.0"},
    }
    Ledger.open(directory, header).close()
    return directory


class Store:
    """What one sweep's runs hold, read past MLflow's own client."""

    def __init__(self, database: Path, sweep_id: str) -> None:
        self._connection = sqlite3.connect(database)
        self._sweep_id = sweep_id

    def rows(self, query: str) -> list[Any]:
        mine = f"(SELECT run_uuid FROM tags WHERE key = 'sweep_id' AND value = '{self._sweep_id}')"  # noqa: S608
        return self._connection.execute(query.replace(":mine", mine)).fetchall()

    def metrics(self) -> list[Any]:
        return self.rows(
            "SELECT run_uuid, key, step, value, timestamp FROM metrics WHERE run_uuid IN :mine ORDER BY 1, 2, 3, 4, 5"
        )

    def run_ids(self) -> dict[str, str]:
        """Trial id → run id; asserts that no trial has two."""
        pairs = self.rows("SELECT value, run_uuid FROM tags WHERE key = 'trial_id' AND run_uuid IN :mine")
        assert len(pairs) == len(dict(pairs)), "a trial has two runs"
        return dict(pairs)

    def statuses(self) -> dict[str, str]:
        names = {run_id: trial_id for trial_id, run_id in self.run_ids().items()}
        pairs = self.rows("SELECT run_uuid, status FROM runs WHERE run_uuid IN :mine")
        return {names.get(run_id, "sweep"): status for run_id, status in pairs}


@pytest.fixture
def shown(store: Path, sweep: Path) -> Iterator[Store]:
    view = Store(store, sweep.parent.name)
    yield view
    view._connection.close()


def start(ledger: Ledger, trial_id: str, *, kind: Any = "trial", **config: Any) -> None:
    ledger.start(
        trial_id,
        kind=kind,
        strategy="generative",
        seed=7,
        params={"finetuning.optimizer.learning_rate": 1e-4},
        config={"experiment": "multi30k", "prepared": "d1ge57", "model": {"heads": 8}, **config},
        directory=f"trials/{trial_id}",
        number=0,
    )


def add_epoch(sweep: Path, trial_id: str, epoch: int, **metrics: float) -> Report:
    directory = sweep / "trials" / trial_id
    directory.mkdir(parents=True, exist_ok=True)
    report = Report(
        epoch=epoch,
        update=50 * epoch,
        target_tokens=9000 * epoch,
        time_ms=1_700_000_000_000 + epoch,
        metrics={"valid/bleu": 10.0 * epoch, "valid/loss": 1 / epoch, **metrics},
        tags={"bleu_signature": "nrefs:1|case:mixed"},
        samples=(Sample("a dog", f"ein Hund {epoch}", "ein Hund"),),
    )
    History(directory).append(report)
    return report


def mirror(store: Path, sweep: Path) -> MlflowMirror:
    return MlflowMirror(sweep, tracking_uri=f"sqlite:///{store}", experiment=EXPERIMENT, interval_s=0.05)


def sync_afresh(store: Path, sweep: Path) -> None:
    """As a new process would: it remembers nothing."""
    fresh = mirror(store, sweep)
    fresh.sync()
    assert fresh.close(60)


def small_sweep(sweep: Path) -> None:
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "baseline-1", kind="baseline")
        add_epoch(sweep, "baseline-1", 1)
        ledger.finish("baseline-1", TrialState.COMPLETE)
        for number, state in enumerate([TrialState.PRUNED, TrialState.FAILED, None]):
            start(ledger, f"t{number:04d}")
            add_epoch(sweep, f"t{number:04d}", 1)
            if state is not None:
                ledger.finish(f"t{number:04d}", state, f"why {state}")


def test_a_sweep_is_one_parent_with_a_child_per_trial(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    add_epoch(sweep, "t0002", 2)
    with Ledger.open(sweep, {}) as ledger:
        ledger.score("baseline-1", {"test/bleu": 33.3})
    sync_afresh(store, sweep)
    assert shown.statuses() == {
        "sweep": "RUNNING",
        "baseline-1": "FINISHED",
        "t0000": "KILLED",
        "t0001": "FAILED",
        "t0002": "RUNNING",
    }
    client = open_client(f"sqlite:///{store}")
    runs = shown.run_ids()
    child = client.get_run(runs["t0002"])
    parent = client.get_run(child.data.tags["mlflow.parentRunId"])
    assert (child.info.run_name, parent.info.run_name) == ("t0002 generative", "quick")
    assert child.data.params["finetuning.optimizer.learning_rate"] == "0.0001"
    assert child.data.params["model.heads"] == "8"
    bleu = client.get_metric_history(runs["t0002"], "valid/bleu")
    assert [(point.step, point.value, point.timestamp % 1000) for point in bleu] == [(1, 10.0, 1), (2, 20.0, 2)]
    assert child.data.metrics["progress/target_tokens"] == 18000
    tags = {"strategy": "generative", "seed": "7", "git_commit": "0123abc", "bleu_signature": "nrefs:1|case:mixed"}
    assert tags.items() <= child.data.tags.items()
    assert client.get_run(runs["t0000"]).data.tags["stop_reason"] == "why pruned"
    assert client.get_run(runs["baseline-1"]).data.metrics["test/bleu"] == 33.3
    assert child.inputs is not None
    inputs = {item.dataset.name: (item.dataset.digest, item.tags[0].value) for item in child.inputs.dataset_inputs}
    assert inputs == {"multi30k-train": ("d1ge57", "train"), "multi30k-valid": ("d1ge57", "valid")}
    artifacts = Path(child.info.artifact_uri.removeprefix("file://").replace("%20", " "))
    assert json.loads((artifacts / "config/trial.json").read_text())["prepared"] == "d1ge57"
    assert json.loads((artifacts / "samples.json").read_text())["data"] == [[2, "a dog", "ein Hund 2", "ein Hund"]]
    assert {"version/torch": "2.13.0", "host": "node1"}.items() <= parent.data.tags.items()
    assert "| generative | 20 | t0002 | 2 |" in parent.data.tags["mlflow.note.content"]
    assert {"config/experiment.json", "config/sweep.json"} == {
        file.path for file in client.list_artifacts(parent.info.run_id, "config")
    }


def test_syncing_again_changes_nothing(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    before = shown.metrics(), shown.statuses()
    patient.sync()
    assert patient.close(60)
    sync_afresh(store, sweep)
    assert (shown.metrics(), shown.statuses()) == before
    assert len(before[0]) == 4 * 5


def test_only_what_is_new_is_added(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    before = shown.metrics()
    add_epoch(sweep, "t0002", 2)
    patient.sync()
    patient.close(60)
    added = [row for row in shown.metrics() if row not in before]
    assert {(key, step) for _, key, step, _, _ in added} == {
        (key, 2) for key in ("valid/bleu", "valid/loss", "progress/epoch", "progress/update", "progress/target_tokens")
    }


def test_an_epoch_that_a_resumed_trial_repeats_stands_once(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    add_epoch(sweep, "t0002", 2)
    sync_afresh(store, sweep)
    history = History(sweep / "trials/t0002")
    second = history.reports[1]
    history.truncate(after_epoch=1)
    history.append(replace(second, time_ms=second.time_ms + 99, metrics={"valid/bleu": 21.0, "valid/loss": 0.4}))
    add_epoch(sweep, "t0002", 3)
    sync_afresh(store, sweep)
    points = [(key, step) for run_id, key, step, _, _ in shown.metrics() if run_id == shown.run_ids()["t0002"]]
    assert len(points) == len(set(points)) == 3 * 5


def test_an_interrupted_sweep_leaves_no_running_run_and_goes_on(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    with Ledger.open(sweep, {}) as ledger:
        ledger.close_sweep(SweepStatus.INTERRUPTED, {})
    sync_afresh(store, sweep)
    client = open_client(f"sqlite:///{store}")
    runs = shown.run_ids()
    assert "RUNNING" not in shown.statuses().values()
    assert client.get_run(runs["t0002"]).data.tags["stop_reason"] == "interrupted"
    with Ledger.open(sweep, {}) as ledger:
        ledger.restart("t0002")
        sync_afresh(store, sweep)
        assert (shown.statuses()["sweep"], shown.statuses()["t0002"]) == ("RUNNING", "RUNNING")
        assert "stop_reason" not in client.get_run(runs["t0002"]).data.tags
        ledger.finish("t0002", TrialState.COMPLETE)
        ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": "| best |", "best/bleu": 12.0})
    sync_afresh(store, sweep)
    assert (shown.statuses()["sweep"], shown.statuses()["t0002"]) == ("FINISHED", "FINISHED")
    assert shown.run_ids() == runs
    run = client.get_run(runs["t0002"])
    assert (run.data.tags["attempts"], run.info.end_time is not None) == ("2", True)
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.metrics == {"best/bleu": 12.0}
    assert "| best |" in parent.data.tags["mlflow.note.content"]
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["config", "results.md"]


def test_numbers_that_mlflow_cannot_store_are_told_in_a_tag(store: Path, sweep: Path, shown: Store) -> None:
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "t0001")
    add_epoch(sweep, "t0001", 1, **{"train/loss": math.nan, "train/norm": math.inf})
    sync_afresh(store, sweep)
    run = open_client(f"sqlite:///{store}").get_run(shown.run_ids()["t0001"])
    assert not {"train/loss", "train/norm"} & run.data.metrics.keys()
    assert run.data.tags["nonfinite/train/loss"] == "nan at epoch 1"


def test_no_secret_reaches_the_store(store: Path, sweep: Path, shown: Store) -> None:
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "t0001", hub={"api_key": "CANARY-1"}, mirror="https://me:CANARY-2@host/x")
        ledger.finish("t0001", TrialState.FAILED, "cannot reach https://me:CANARY-3@host")
    sync_afresh(store, sweep)
    for directory in (store.parent, sweep.parent):
        for path in directory.rglob("*"):
            if path.is_file() and path.name != LEDGER_FILE:
                assert b"CANARY" not in path.read_bytes(), path
    tags = open_client(f"sqlite:///{store}").get_run(shown.run_ids()["t0001"]).data.tags
    assert tags["stop_reason"] == "cannot reach https://[redacted]@host"


def test_the_background_follows_the_files_and_close_says_that_all_is_there(
    store: Path, sweep: Path, shown: Store
) -> None:
    small_sweep(sweep)
    background = mirror(store, sweep)
    background.start()
    wait_until(lambda: len(shown.metrics()) == 20)
    add_epoch(sweep, "t0002", 2)
    wait_until(lambda: len(shown.metrics()) == 25)
    add_epoch(sweep, "t0002", 3)
    assert background.close(60)
    assert len(shown.metrics()) == 30


def wait_until(condition: Any, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def test_a_locked_database_delays_and_loses_nothing(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    background = mirror(store, sweep)
    background.sync()
    blocker = sqlite3.connect(store)
    blocker.execute("BEGIN IMMEDIATE")
    add_epoch(sweep, "t0002", 2)
    background.start()
    assert not background.close(0.3)
    assert len(shown.metrics()) == 20
    blocker.rollback()
    blocker.close()
    assert background.close(60)
    assert len(shown.metrics()) == 25


@contextmanager
def tracking_server(store: Path, port: int) -> Iterator[None]:
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{store}"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def test_a_server_that_comes_late_and_dies_loses_nothing(
    store: Path, sweep: Path, shown: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    small_sweep(sweep)
    background = MlflowMirror(sweep, tracking_uri=f"http://127.0.0.1:{port}", experiment=EXPERIMENT, interval_s=0.05)
    background.start()
    wait_until(lambda: "will catch up" in caplog.text)
    with tracking_server(store, port):
        wait_until(lambda: "has caught up" in caplog.text)
        assert len(shown.metrics()) == 20
    add_epoch(sweep, "t0002", 2)
    wait_until(lambda: caplog.text.count("will catch up") == 2)
    assert not background.close(0.5)
    sync_afresh(store, sweep)
    assert len(shown.metrics()) == 25
    assert len(shown.run_ids()) == 4


def test_a_server_that_is_down_is_named_and_costs_seconds(store: Path, sweep: Path) -> None:
    small_sweep(sweep)
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=f"MLflow at {CLOSED_PORT}.*refused"):
        ensure_store(CLOSED_PORT, EXPERIMENT)
    down = MlflowMirror(sweep, tracking_uri=CLOSED_PORT, experiment=EXPERIMENT)
    with pytest.raises(UnavailableError):
        down.sync()
    assert not down.close(0.1)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("uri", ["file:///tmp/x", "./mlruns", "sqlite://", "sqlite:///", "ftp://host"])
def test_an_address_that_cannot_hold_a_sweep_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="tracking address"):
        ensure_store(uri, EXPERIMENT)


def test_only_the_owner_reads_the_database(store: Path) -> None:
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


def test_a_second_mirror_of_the_same_sweep_is_refused(store: Path, sweep: Path) -> None:
    small_sweep(sweep)
    first = mirror(store, sweep)
    first.sync()
    with pytest.raises(BusyError, match="held by pid"):
        mirror(store, sweep).sync()
    assert first.close(60)


def test_a_damaged_history_is_named(store: Path, sweep: Path) -> None:
    small_sweep(sweep)
    path = sweep / "trials/t0001/history.jsonl"
    path.write_text("{]\n")
    stopped = mirror(store, sweep)
    with pytest.raises(StorageError, match=str(path)):
        stopped.sync()
    assert not stopped.close(0.1)


def test_kill_9_in_the_midst_of_writing_neither_loses_nor_doubles(store: Path, sweep: Path, shown: Store) -> None:
    code = (
        "import sys, pathlib\n"
        "from intelligen.tracking.mirror import MlflowMirror\n"
        "MlflowMirror(pathlib.Path(sys.argv[1]), tracking_uri=sys.argv[2], experiment=sys.argv[3]).sync()\n"
    )
    trials = [f"t{number:04d}" for number in range(4)]
    with Ledger.open(sweep, {}) as ledger:
        for trial_id in trials:
            start(ledger, trial_id)
            for epoch in range(1, 6):
                add_epoch(sweep, trial_id, epoch)
            ledger.finish(trial_id, TrialState.COMPLETE)
    chance = random.Random(2)
    kills = 0
    # Killed when so many metrics stand there: at the parent's creation, then ever later.
    for target in (0, 20, 60):
        command = [sys.executable, "-c", code, str(sweep), f"sqlite:///{store}", EXPERIMENT]
        with subprocess.Popen(command) as process:
            while process.poll() is None and (len(shown.metrics()) < target or not shown.statuses()):
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.02))
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert kills >= 2
    sync_afresh(store, sweep)
    points = [(run_id, key, step) for run_id, key, step, _, _ in shown.metrics()]
    assert len(points) == len(set(points)) == 4 * 5 * 5
    assert shown.statuses() == {"sweep": "RUNNING"} | dict.fromkeys(trials, "FINISHED")
    assert len(shown.rows("SELECT run_uuid FROM runs WHERE run_uuid IN :mine")) == 5
