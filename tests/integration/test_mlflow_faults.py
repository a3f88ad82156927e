"""The mirror loses and doubles nothing: with a store that is locked, late, dead or refused, and after any kill."""

import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirrored import (  # noqa: F401  # three are fixtures, under other names
    EPOCH_ROWS,
    EXPERIMENT,
    SMALL_SWEEP_ROWS,
    SUMMARY_ROWS,
    Store,
    add_epoch,
    mirror,
    mlflow_store,
    shown_runs,
    small_sweep,
    start,
    sweep_directory,
    sync_afresh,
)
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tracking_servers import KINDS, forbidding, free_port, tracking_server, unreliable, wait_until

from intelligen.errors import BusyError, ConfigError, StorageError, UnavailableError
from intelligen.state.ledger import Ledger
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_runs import MlflowRuns
from intelligen.tracking.mlflow_store import RefusedError, ensure_store, open_client
from intelligen.tracking.saved_views import VIEW, view_key

CLOSED_PORT = "http://127.0.0.1:9"


def test_the_background_follows_the_files_and_close_says_that_all_is_there(
    store: Path, sweep: Path, shown: Store
) -> None:
    small_sweep(sweep)
    background = mirror(store, sweep)
    background.start()
    wait_until(lambda: len(shown.metrics()) == SMALL_SWEEP_ROWS)
    add_epoch(sweep, "t0002", 2)
    wait_until(lambda: len(shown.metrics()) == SMALL_SWEEP_ROWS + EPOCH_ROWS)
    add_epoch(sweep, "t0002", 3)
    assert background.close(60)
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS + 2 * EPOCH_ROWS


def test_an_error_of_an_artifact_store_s_own_library_delays_and_loses_nothing(
    store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sweep(sweep)
    update, failing = MlflowRuns.update, ["no credentials"]

    def fail_once(*arguments: object) -> None:
        if failing:
            raise RuntimeError(failing.pop())
        update(*arguments)

    monkeypatch.setattr(MlflowRuns, "update", fail_once)
    background = mirror(store, sweep)
    background.start()
    wait_until(lambda: not failing)
    assert background.close(60)
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS


def test_a_locked_database_delays_and_loses_nothing(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    background = mirror(store, sweep)
    background.sync()
    blocker = sqlite3.connect(store)
    blocker.execute("BEGIN IMMEDIATE")
    add_epoch(sweep, "t0002", 2)
    background.start()
    assert not background.close(0.3)
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS
    blocker.rollback()
    blocker.close()
    assert background.close(60)
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS + EPOCH_ROWS


def test_a_server_that_comes_late_and_dies_loses_nothing(
    store: Path, sweep: Path, shown: Store, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    small_sweep(sweep)
    background = MlflowMirror(sweep, tracking_uri=f"http://127.0.0.1:{port}", experiment=EXPERIMENT, interval_s=0.05)
    background.start()
    wait_until(lambda: "will catch up" in caplog.text)
    with tracking_server(store, port):
        wait_until(lambda: "has caught up" in caplog.text)
        assert len(shown.metrics()) == SMALL_SWEEP_ROWS
    add_epoch(sweep, "t0002", 2)
    wait_until(lambda: caplog.text.count("will catch up") == 2)
    assert not background.close(0.5)
    sync_afresh(store, sweep)
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS + EPOCH_ROWS
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


def test_what_mlflow_refuses_is_not_tried_again_until_the_time_is_over(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    uri = f"sqlite:///{store}"
    background = MlflowMirror(sweep, tracking_uri=uri, experiment="to be deleted", interval_s=0.05)
    background.sync()
    client = open_client(uri)
    client.delete_experiment(ensure_store(uri, "to be deleted"))
    add_epoch(sweep, "t0002", 2)
    began = time.monotonic()
    assert not background.close(60)
    assert time.monotonic() - began < 30
    assert "'to be deleted'" in (background.refusal or "")
    assert "is deleted: restore it" in (background.refusal or "")

    client.restore_experiment(client.get_experiment_by_name("to be deleted").experiment_id)
    again = MlflowMirror(sweep, tracking_uri=uri, experiment="to be deleted")
    assert again.close(60)
    assert (len(shown.metrics()), again.refusal) == (SMALL_SWEEP_ROWS + EPOCH_ROWS, None)


def test_a_server_that_forbids_is_named_with_its_own_words() -> None:
    with forbidding() as uri, pytest.raises(RefusedError, match=f"MLflow at {uri} refuses: .*not yours.*: fix that"):
        ensure_store(uri, EXPERIMENT)


def test_a_server_that_never_answers_is_named_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=f"MLflow at {uri}.*timed out"):
            ensure_store(uri, EXPERIMENT)
    assert time.monotonic() - began < 10


def test_a_server_that_refuses_delays_and_loses_answers_neither_loses_nor_doubles(
    store: Path, sweep: Path, shown: Store
) -> None:
    port = free_port()
    small_sweep(sweep)
    with tracking_server(store, port) as uri, unreliable(uri, faults=24, seed=4) as proxy:
        patient = MlflowMirror(sweep, tracking_uri=proxy.uri, experiment="over http")
        for epoch in range(2, 7):
            add_epoch(sweep, "t0002", epoch)
            wait_until(lambda: passes(patient))
        with Ledger.open(sweep, {}) as ledger:
            ledger.finish("t0002", TrialState.COMPLETE)
            ledger.close_sweep(SweepStatus.COMPLETE, {"best/bleu": 60.0})
        assert patient.close(60)
        client = open_client(uri)
        child = client.get_run(shown.run_ids()["t0002"])
        files = {file.path for file in client.list_artifacts(child.data.tags["mlflow.parentRunId"])}
    assert proxy.made.keys() == set(KINDS)
    points = [(run_id, key, step) for run_id, key, step, _, _ in shown.metrics()]
    assert len(points) == len(set(points)) == SMALL_SWEEP_ROWS + 5 * EPOCH_ROWS + SUMMARY_ROWS
    assert shown.statuses() == {
        "sweep": "FINISHED",
        "baseline-1": "FINISHED",
        "t0000": "FINISHED",
        "t0001": "FAILED",
        "t0002": "FINISHED",
    }
    assert len(shown.rows("SELECT run_uuid FROM runs WHERE run_uuid IN :mine")) == 5
    assert {"config", "leaderboard.csv", "leaderboard.md", "plots", "scores.json"} == files


def passes(patient: MlflowMirror) -> bool:
    try:
        patient.sync()
    except UnavailableError:
        return False
    return True


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
    began = time.monotonic()
    assert not stopped.close(60)
    assert time.monotonic() - began < 30
    assert str(path) in (stopped.refusal or "")


def test_kill_9_in_the_midst_of_writing_neither_loses_nor_doubles(store: Path, sweep: Path, shown: Store) -> None:
    code = (
        "import sys, pathlib\n"
        "from intelligen.tracking.mlflow_mirror import MlflowMirror\n"
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
    assert len(points) == len(set(points)) == 4 * (5 * EPOCH_ROWS + SUMMARY_ROWS)
    assert shown.statuses() == {"sweep": "RUNNING"} | dict.fromkeys(trials, "FINISHED")
    assert len(shown.rows("SELECT run_uuid FROM runs WHERE run_uuid IN :mine")) == 5


KILLED_IN_THE_MIDST = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from intelligen.tracking.mlflow_store import ensure_store

def before(connection, cursor, statement, *rest):
    executed.append(statement)
    if len(executed) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

executed = []
event.listen(Engine, "before_cursor_execute", before)
ensure_store(sys.argv[1], "killed")
"""


def test_a_database_whose_creation_was_killed_is_made_by_the_next_launch(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for statement in ("150", "400"):
        killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDST, uri, statement], check=False)
        assert killed.returncode == -signal.SIGKILL
    assert ensure_store(uri, EXPERIMENT) == ensure_store(uri, EXPERIMENT)
    assert stat.S_IMODE((tmp_path / "mlflow.db").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


class Overloaded(MlflowClient):
    """Refuses the tags of an experiment as long as it is told to."""

    refuses = False

    def set_experiment_tag(self, experiment_id: str, key: str, value: object) -> None:
        if type(self).refuses:
            raise MlflowException("too busy")
        super().set_experiment_tag(experiment_id, key, value)


def test_a_comparison_that_could_not_be_written_keeps_its_link_and_is_written_at_the_end(
    store: Path, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intelligen.tracking.mlflow_mirror.open_client", Overloaded)
    monkeypatch.setattr(Overloaded, "refuses", False)
    key = view_key(sweep.parent.name)

    def view() -> str:
        experiment = open_client(f"sqlite:///{store}").get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        return experiment.tags[VIEW + key]

    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    before = view()
    monkeypatch.setattr(Overloaded, "refuses", True)
    add_epoch(sweep, "t0002", 2, **{"own/score": 1.0})
    patient.sync()
    with Ledger.open(sweep, {}) as ledger:
        ledger.close_sweep(SweepStatus.COMPLETE, {})
    patient.sync()
    assert (view(), read_run_ids(sweep).view) == (before, key)
    monkeypatch.setattr(Overloaded, "refuses", False)
    assert patient.close(60)
    assert view() != before
