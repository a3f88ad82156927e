"""MLflow, on a real SQLite store, equals the sweep's files after any pass."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrored import (  # noqa: F401  # three are fixtures, under other names
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

from intelligen.tracking.ledger import LEDGER_FILE, Ledger
from intelligen.tracking.records import SweepStatus, TrialState
from intelligen.tracking.store import open_client
from intelligen.training.history import History


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


def test_new_reports_are_one_request_and_one_file_however_many(
    store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    sent: list[str] = []
    for name in ("create_run", "delete_tag", "log_batch", "log_dict", "log_inputs", "log_text", "set_terminated"):
        monkeypatch.setattr(MlflowClient, name, recorded(sent, name))
    for epoch in (2, 3, 4):
        add_epoch(sweep, "t0002", epoch)
    patient.sync()
    assert sorted(sent) == ["log_batch", "log_dict"]
    assert len(shown.metrics()) == (4 + 3) * 5
    with Ledger.open(sweep, {}) as ledger:
        ledger.finish("t0002", TrialState.COMPLETE)
    patient.sync()
    patient.close(60)
    (note,) = shown.rows("SELECT value FROM tags WHERE key = 'mlflow.note.content' AND run_uuid IN :mine")
    assert "| generative | 40 | t0002 | 4 |" in note[0]


def recorded(sent: list[str], name: str) -> Callable[..., Any]:
    real = getattr(MlflowClient, name)

    def call(*arguments: Any, **named: Any) -> Any:
        sent.append(name)
        return real(*arguments, **named)

    return call


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
