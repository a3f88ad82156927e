"""MLflow, on a real SQLite store, equals the sweep's files after any pass."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrored import (  # noqa: F401  # three are fixtures, under other names
    EPOCH_ROWS,
    EXPERIMENT,
    MEASURED,
    SMALL_SWEEP_ROWS,
    Store,
    add_epoch,
    artifact,
    mirror,
    mlflow_store,
    shown_runs,
    small_sweep,
    start,
    sweep_directory,
    sync_afresh,
)
from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console

from intelligen.analysis.leaderboard import LeaderboardEntry
from intelligen.config.schema.budget import Budget
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.space_forms import Const
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import StorageError
from intelligen.reporting.terminal.console_reporter import ConsoleReporter
from intelligen.state.file_lock import FileLock
from intelligen.state.history import History
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.trial_records import Closing, SweepStatus, TrialRecord, TrialState
from intelligen.state.trial_result import RESULT
from intelligen.sweep.end_of_launch import close_launch
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.tracking.mlflow_mapping import INTERNAL
from intelligen.tracking.mlflow_mirror import LOCK_FILE
from intelligen.tracking.mlflow_run_writer import create_run
from intelligen.tracking.mlflow_store import ensure_store, open_client
from intelligen.tracking.sweep_parent_run import SweepSummary


def test_a_sweep_is_one_parent_with_a_child_per_trial(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    add_epoch(sweep, "t0002", 2)
    with Ledger.open(sweep, {}) as ledger:
        ledger.score("baseline-1", {"test/bleu": 33.3, "test_ood/bleu": 3.3})
    sync_afresh(store, sweep)
    assert shown.statuses() == {
        "sweep": "RUNNING",
        "baseline-1": "FINISHED",
        "t0000": "FINISHED",
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
    assert [(point.step, point.value, point.timestamp % 1000) for point in bleu] == [(50, 10.0, 1), (100, 20.0, 2)]
    progress = {"progress/epoch": 2.0, "progress/update": 100.0, "progress/target_tokens": 18000.0}
    assert progress.items() <= child.data.metrics.items()
    tags = {"strategy": "generative", "seed": "7", "git_commit": "0123abc", "bleu_signature": "nrefs:1|case:mixed"}
    assert tags.items() <= child.data.tags.items()
    assert client.get_run(runs["t0000"]).data.tags["stop_reason"] == "why pruned"
    assert client.get_run(runs["baseline-1"]).data.metrics["test/bleu"] == 33.3
    assert inputs(child) == {"multi30k-train": "training", "multi30k-valid": "validation"}
    tested = client.get_run(runs["baseline-1"])
    assert inputs(tested) == inputs(child) | {"multi30k-test": "test", "multi30k-test_ood": "test"}
    assert json.loads(artifact(child, "config/trial.json"))["prepared"] == "d1ge57"
    assert "Epoch 2, update 100, 18,000 target tokens." in child.data.tags["mlflow.note.content"]
    assert "| a dog | ein Hund 2 | ein Hund |" in child.data.tags["mlflow.note.content"]
    assert json.loads(artifact(tested, "samples.json"))["data"] == [[1, "a dog", "ein Hund 1", "ein Hund"]]
    assert {"version/torch": "2.13.0", "host": "node1"}.items() <= parent.data.tags.items()
    assert "| generative | 20 | t0002 |" in parent.data.tags["mlflow.note.content"]
    assert {"config/experiment.json", "config/sweep.json"} == {
        file.path for file in client.list_artifacts(parent.info.run_id, "config")
    }


def inputs(run: Run) -> dict[str, str]:
    """Data set → context; asserts that each is of the prepared data."""
    assert run.inputs is not None
    sets = run.inputs.dataset_inputs
    assert {(one.dataset.digest, one.dataset.source_type) for one in sets} == {("d1ge57", "embedded")}
    return {one.dataset.name: one.tags[0].value for one in sets}


def test_syncing_again_changes_nothing(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    before = shown.metrics(), shown.statuses()
    patient.sync()
    assert patient.close(60)
    sync_afresh(store, sweep)
    assert (shown.metrics(), shown.statuses()) == before
    assert len(before[0]) == SMALL_SWEEP_ROWS


def test_a_corrected_score_is_what_mlflow_shows(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    with Ledger.open(sweep, {}) as ledger:
        ledger.score("baseline-1", {"test/bleu": 33.3, "test/bleu_high": 131.0})
        sync_afresh(store, sweep)
        ledger.correct("baseline-1", {"test/bleu_high": 99.0})
        for _ in range(2):
            sync_afresh(store, sweep)
    run_id = shown.run_ids()["baseline-1"]
    found = [row[1:4] for row in shown.metrics() if row[0] == run_id and row[1].startswith("test/")]
    assert found == [("test/bleu", 0, 33.3), ("test/bleu_high", 0, 131.0), ("test/bleu_high", 1, 99.0)]
    ((latest,),) = shown.rows("SELECT value FROM latest_metrics WHERE key = 'test/bleu_high' AND run_uuid IN :mine")
    assert latest == 99.0


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
        (key, 100)
        for key in (
            *("valid/bleu", "valid/loss", "progress/epoch", "progress/update", "progress/target_tokens", *MEASURED),
            *("system/cpu_memory_avg_mib", "system/cpu_memory_peak_mib"),
        )
    }


def test_new_reports_are_one_request_however_many(
    store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    sent: list[str] = []
    for name in CALLS:
        monkeypatch.setattr(MlflowClient, name, recorded(sent, name))
    for epoch in (2, 3, 4):
        add_epoch(sweep, "t0002", epoch)
    patient.sync()
    assert sent == ["log_batch"]
    assert len(shown.metrics()) == SMALL_SWEEP_ROWS + 3 * EPOCH_ROWS
    with Ledger.open(sweep, {}) as ledger:
        ledger.finish("t0002", TrialState.COMPLETE)
    patient.sync()
    patient.close(60)
    notes = shown.rows("SELECT value FROM tags WHERE key = 'mlflow.note.content' AND run_uuid IN :mine")
    assert any("| generative | 40 | t0002 |" in note for (note,) in notes)


# What the first release called its internal tags, which it showed to everybody.
FORMER = ("closing", "leaderboard", "plots")
CALLS = [
    *("create_run", "delete_run", "delete_tag", "log_artifacts", "log_batch", "log_figure", "log_inputs"),
    *("set_terminated", "update_run"),
]


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
    history.append(replace(second, time_ms=second.time_ms + 99, metrics={**second.metrics, "valid/bleu": 21.0}))
    add_epoch(sweep, "t0002", 3)
    sync_afresh(store, sweep)
    points = [(key, step) for run_id, key, step, _, _ in shown.metrics() if run_id == shown.run_ids()["t0002"]]
    assert len(points) == len(set(points)) == 3 * EPOCH_ROWS


def test_an_interrupted_sweep_leaves_no_running_run_and_goes_on(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    with Ledger.open(sweep, {}) as ledger:
        ledger.close_sweep(SweepStatus.INTERRUPTED, {})
    sync_afresh(store, sweep)
    client = open_client(f"sqlite:///{store}")
    runs = shown.run_ids()
    assert "RUNNING" not in shown.statuses().values()
    assert client.get_run(runs["t0002"]).data.tags["stop_reason"] == "interrupted"
    parent_id = client.get_run(runs["t0002"]).data.tags["mlflow.parentRunId"]
    assert client.get_run(parent_id).data.tags["stop_reason"] == "interrupted"
    with Ledger.open(sweep, {}) as ledger:
        ledger.restart("t0002")
        sync_afresh(store, sweep)
        assert (shown.statuses()["sweep"], shown.statuses()["t0002"]) == ("RUNNING", "RUNNING")
        assert "stop_reason" not in client.get_run(runs["t0002"]).data.tags
        assert "stop_reason" not in client.get_run(parent_id).data.tags
        ledger.finish("t0002", TrialState.COMPLETE)
        ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": "| best |", "best/bleu": 12.0})
    sync_afresh(store, sweep)
    assert (shown.statuses()["sweep"], shown.statuses()["t0002"]) == ("FINISHED", "FINISHED")
    assert shown.run_ids() == runs
    run = client.get_run(runs["t0002"])
    assert (run.data.tags["attempts"], run.info.end_time is not None) == ("2", True)
    parent = client.get_run(parent_id)
    assert parent.data.metrics == {}
    scores = json.loads(artifact(parent, "scores.json"))
    assert scores == {"columns": ["score", "value"], "data": [["best/bleu", 12.0]]}
    assert "| best |" in parent.data.tags["mlflow.note.content"]
    assert parent.data.tags["stop_reason"] == "complete"
    files = ["config", "leaderboard.csv", "leaderboard.md", "plots", "results.md", "scores.json"]
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == files
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "plots")] == [
        "plots/best_so_far.png",
        "plots/by_strategy.png",
    ]


def test_numbers_that_mlflow_cannot_store_are_written_into_a_tag(store: Path, sweep: Path, shown: Store) -> None:
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "t0001")
    add_epoch(sweep, "t0001", 1, **{"train/loss": math.nan, "train/norm": math.inf})
    sync_afresh(store, sweep)
    run = open_client(f"sqlite:///{store}").get_run(shown.run_ids()["t0001"])
    assert not {"train/loss", "train/norm"} & run.data.metrics.keys()
    assert run.data.tags["nonfinite/train/loss"] == "nan at epoch 1"


def test_no_secret_reaches_the_store(store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "CANARY-in-environment")
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "t0001", hub={"api_key": "CANARY-1"}, mirror="https://me:CANARY-2@host/x")
        ledger.finish("t0001", TrialState.FAILED, "cannot reach https://me:CANARY-3@host")
        ledger.start(
            "t0002",
            kind="trial",
            row="generative",
            seed=1,
            params={
                "hub/auth_token": "CANARY-4",
                "hub/mirror": "https://me:CANARY-5@host",
                "echo": "CANARY-in-environment",
            },
            config={},
            directory="trials/t0002",
        )
    sync_afresh(store, sweep)
    for directory in (store.parent, sweep.parent):
        for path in directory.rglob("*"):
            if path.is_file():
                assert b"CANARY" not in path.read_bytes(), path
    tags = open_client(f"sqlite:///{store}").get_run(shown.run_ids()["t0001"]).data.tags
    assert tags["stop_reason"] == "cannot reach https://[redacted]@host"


def test_the_leaderboard_is_written_when_a_trial_has_ended_and_only_then(
    store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sweep(sweep)
    patient = mirror(store, sweep)
    patient.sync()
    client = open_client(f"sqlite:///{store}")
    parent_id = client.get_run(shown.run_ids()["t0002"]).data.tags["mlflow.parentRunId"]
    table = artifact(client.get_run(parent_id), "leaderboard.csv").splitlines()
    assert table[0].startswith("rank,trial,kind,strategy,seed,state,valid/bleu,epochs")
    assert [line.split(",")[1] for line in table[1:]] == ["baseline-1", "t0000", "t0001"]
    sent: list[str] = []
    for name in CALLS:
        monkeypatch.setattr(MlflowClient, name, recorded(sent, name))
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "t0003")
        patient.sync()
        assert sorted(sent) == ["create_run", "log_artifacts", "log_batch", "log_batch", "log_batch", "log_inputs"]
        sent.clear()
        ledger.finish("t0003", TrialState.FAILED, "=died")
    patient.sync()
    patient.close(60)
    assert sent == ["log_batch", "set_terminated", "log_artifacts", "log_batch"]
    assert "t0003,trial,generative,7,failed,,0,0,'=died" in artifact(client.get_run(parent_id), "leaderboard.csv")
    # Drawing takes long, so it waits for the sweep's end.
    assert "plots" not in {file.path for file in client.list_artifacts(parent_id)}


def test_a_sweep_that_has_ended_is_drawn_once(
    store: Path, sweep: Path, shown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sweep(sweep)
    with Ledger.open(sweep, {}) as ledger:
        ledger.finish("t0002", TrialState.COMPLETE)
        ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": "| best |"})
    sync_afresh(store, sweep)
    sent: list[str] = []
    for name in CALLS:
        monkeypatch.setattr(MlflowClient, name, recorded(sent, name))
    sync_afresh(store, sweep)
    assert set(sent) <= {"log_batch"}


def test_runs_of_the_first_release_are_brought_up_to_date_and_none_of_their_rows_stands_twice(
    store: Path, sweep: Path, shown: Store
) -> None:
    small_sweep(sweep)
    with Ledger.open(sweep, {}) as ledger:
        ledger.finish("t0002", TrialState.COMPLETE)
        ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": "| best |", "best/bleu": 12.0})
    sync_afresh(store, sweep)
    client = open_client(f"sqlite:///{store}")
    stopped, parent_id = shown.run_ids()["t0000"], read_run_ids(sweep).sweep
    before = shown.metrics()
    # As that release left them.
    client.set_terminated(stopped, status="KILLED", end_time=client.get_run(stopped).info.end_time)
    for run_id, name in ((stopped, "samples_epoch"), *((parent_id, name) for name in FORMER)):
        client.delete_tag(run_id, f"{INTERNAL}{name}")
        client.set_tag(run_id, name, "7")
    for run_id in (*shown.run_ids().values(), parent_id):
        client.delete_tag(run_id, "state")
    client.log_metric(parent_id, "best/bleu", 12.0, timestamp=1, step=9)
    sync_afresh(store, sweep)
    assert [row for row in shown.metrics() if row[0] != parent_id] == before
    run, parent = client.get_run(stopped), client.get_run(parent_id)
    assert (run.info.status, run.data.tags["state"], parent.data.tags["state"]) == ("FINISHED", "pruned", "complete")
    assert not {"samples_epoch", *FORMER} & {*run.data.tags, *parent.data.tags}
    assert {f"{INTERNAL}{name}" for name in FORMER} <= parent.data.tags.keys()


def test_code_and_environment_are_those_of_the_sweeps_start(store: Path, sweep: Path, shown: Store) -> None:
    folder = sweep / "provenance"
    folder.mkdir()
    (folder / "diff.patch").write_text("+lr = 2\n")
    (folder / "packages.txt").write_text("torch==1\n")
    small_sweep(sweep)
    sync_afresh(store, sweep)
    client = open_client(f"sqlite:///{store}")
    child = client.get_run(shown.run_ids()["t0002"])
    parent = client.get_run(child.data.tags["mlflow.parentRunId"])
    assert artifact(child, "code/diff.patch") == artifact(parent, "code/diff.patch") == "+lr = 2\n"
    assert artifact(parent, "environment/packages.txt") == "torch==1\n"


def test_a_trial_that_was_refused_before_it_had_settings_is_shown(store: Path, sweep: Path, shown: Store) -> None:
    with Ledger.open(sweep, {}) as ledger:
        ledger.start(
            "t0000",
            kind="trial",
            row="generative",
            seed=1,
            params={"model/heads": 7},
            config={"model.heads": 7},
            directory="trials/t0000",
            number=0,
        )
        ledger.finish("t0000", TrialState.FAILED, "its values do not go together")
    sync_afresh(store, sweep)
    run = open_client(f"sqlite:///{store}").get_run(shown.run_ids()["t0000"])
    assert (run.info.status, run.data.params["model/heads"]) == ("FAILED", "7")


def test_a_run_that_was_created_twice_is_one_again(store: Path, sweep: Path, shown: Store) -> None:
    small_sweep(sweep)
    sync_afresh(store, sweep)
    client = open_client(f"sqlite:///{store}")
    before = shown.run_ids()
    parent_id = client.get_run(before["t0002"]).data.tags["mlflow.parentRunId"]
    for run_id in (before["t0002"], parent_id):
        known = client.get_run(run_id)
        tags = {name: known.data.tags[name] for name in ("sweep_id", "trial_id", "kind") if name in known.data.tags}
        client.create_run(known.info.experiment_id, start_time=known.info.start_time, tags=tags)
    sync_afresh(store, sweep)
    alive = shown.rows("SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' AND run_uuid IN :mine")
    assert {run_id for (run_id,) in alive} == {*before.values(), parent_id}


def test_a_launch_whose_table_cannot_be_made_has_failed_and_its_mirror_is_closed(
    store: Path, sweep: Path, shown: Store
) -> None:
    small_sweep(sweep)
    running = mirror(store, sweep)
    running.sync()
    (sweep / "trials" / "baseline-1" / RESULT).write_text("{]")
    settings = Sweep(version=1, name="s", experiment="e.yaml", space={"x": Const(const=1)}, budget=Budget(trials=9))
    with Ledger.open(sweep, {}) as ledger:
        launch = SweepContext(settings, Experiment(version=1, name="e"), DataOfRows("x"), store.parent, sweep, ledger)
        with pytest.raises(StorageError, match=r"result\.json: damaged"):
            close_launch(
                launch,
                SweepStatus.COMPLETE,
                running,
                ConsoleReporter(Console(quiet=True)),
                tracking_uri=f"sqlite:///{store}",
            )
        assert ledger.closing is not None
        assert ledger.closing.status is SweepStatus.FAILED
    assert (shown.statuses()["sweep"], shown.statuses()["t0002"]) == ("FAILED", "KILLED")
    FileLock(sweep / LOCK_FILE).release()


def test_a_long_leaderboard_is_not_written_anew_for_every_trial(store: Path, sweep: Path) -> None:
    client = open_client(f"sqlite:///{store}")
    run = create_run(client, ensure_store(f"sqlite:///{store}", EXPERIMENT), name="long", start_ms=0, tags={})
    summary = SweepSummary(run, directory=sweep, fingerprint=read_ledger(sweep)[0])
    fields = {"kind": "trial", "row": "standard", "seed": 1, "params": {}, "config": {}, "directory": ""}
    trials = {
        name: TrialRecord(id=name, number=0, started_ms=0, state=TrialState.FAILED, **fields)
        for name in (f"t{number:04d}" for number in range(253))
    }

    def listed(count: int, closing: Closing | None = None) -> int:
        """Trials in the leaderboard once so many have ended."""
        ended = {name: trials[name] for name in list(trials)[:count]}
        entries = {name: LeaderboardEntry(record, None, 0, 0.0) for name, record in ended.items()}
        summary.update(ended, closing, values={}, entries=entries, metrics={})
        return len(artifact(client.get_run(run.id), "leaderboard.csv").splitlines()) - 1

    assert [listed(count) for count in (1, 2, 250, 251, 252, 253)] == [1, 2, 250, 250, 252, 252]
    assert listed(253, Closing(9, SweepStatus.COMPLETE, {}, 0)) == 253
