"""Whole sweeps over real Ray, Optuna and MLflow on the tiny corpus: killed, interrupted, resumed, compared."""

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import optuna
import psutil
import pytest
import ray
from click.testing import CliRunner
from conftest import REPOSITORY, TINY_EXPERIMENT, write_tiny_corpus
from empty_store import write_empty_store
from in_this_process import run_here
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState as OptunaState

import intelligen
from intelligen.analysis.strategy_table import strategy_table
from intelligen.cli.main import commands, guarded
from intelligen.state.history import read_history
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import SweepStatus, TrialRecord, TrialState
from intelligen.tracking.mlflow_store import open_client

SWEEP = """
version: 1
name: tiny
question: Does it resume?
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 5.0e-3]}
  strategy:
    choice:
      standard: {}
      generative: {probability.start: {uniform: [0.05, 0.5]}}
budget: {trials_per_strategy: 3}
scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}
resources: {workers: 1, concurrent_trials: 1}
baseline: {workers: 1}
"""
# Whatever GPUs there are: what is trained twice is compared bit for bit, and with what this process trains.
ON_PROCESSORS = ("-o", "resources.gpus_per_worker=0", "-o", "baseline.gpus_per_worker=0")
# What a launcher starts inherits it.
MARK = "LAUNCHED_IN"
STATES = {
    TrialState.COMPLETE: ("COMPLETE", "FINISHED"),
    TrialState.PRUNED: ("PRUNED", "FINISHED"),
    TrialState.FAILED: ("FAIL", "FAILED"),
}


class Project:
    """A working directory with the tiny sweep in it."""

    def __init__(self, directory: Path, sweep: str = SWEEP) -> None:
        self.directory = directory
        (directory / "corpus").mkdir()
        write_tiny_corpus(directory / "corpus")
        write_empty_store(directory / "mlflow.db")
        (directory / "experiment.yaml").write_text(TINY_EXPERIMENT)
        (directory / "sweep.yaml").write_text(sweep)

    def train_baseline(self, *overrides: str) -> None:
        """Here, where everything is imported; the sweep finds it."""
        command = ["train", "experiment.yaml", "--runs", "runs", *overrides]
        with contextlib.chdir(self.directory):
            CliRunner().invoke(commands, command, catch_exceptions=False)

    def launch(self, *arguments: str, own_group: bool = False, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
        if "RAY_ADDRESS" in environment:
            del inherited["INTELLIGEN_LOCAL"]
        return subprocess.Popen(
            [sys.executable, REPOSITORY / "launch.py", "sweep.yaml", *ON_PROCESSORS, *arguments],
            cwd=self.directory,
            env=inherited | environment | {MARK: str(self.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=own_group,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """A launch to its end, in this process."""
        command = ("run", "sweep.yaml", *ON_PROCESSORS, *arguments)
        done = run_here(*command, directory=self.directory, environment={MARK: str(self.directory)}, merged=True)
        return done.returncode, done.stdout

    @property
    def sweep(self) -> Path:
        return self.directory / "runs" / "sweeps" / "tiny"

    def trials(self) -> dict[str, TrialRecord]:
        if not (self.sweep / "ledger.jsonl").exists():
            return {}
        return read_ledger(self.sweep)[1]

    def history(self, record: TrialRecord) -> Path:
        return self.sweep / record.directory / "history.jsonl"

    def study(self) -> list[optuna.trial.FrozenTrial]:
        storage = JournalStorage(JournalFileBackend(str(self.sweep / "study.journal")))
        return optuna.load_study(study_name=None, storage=storage).trials

    def query(self, sql: str, *values: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(self.directory / "mlflow.db")) as database:
            return database.execute(sql, values).fetchall()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], *, timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.1)


def require_records_agree(project: Project) -> None:
    """Ledger, Optuna and MLflow tell one story; every epoch stands in MLflow exactly once."""
    trials = project.trials()
    searched = {record.number: record for record in trials.values() if record.kind == "trial"}
    study = project.study()
    assert {t.number: t.state.name for t in study} == {
        number: STATES[record.state][0] for number, record in searched.items()
    }
    for trial in study:
        reports = read_history(project.history(searched[trial.number]))
        assert trial.intermediate_values == {report.epoch: report.metrics["valid/bleu"] for report in reports}
        if trial.state is OptunaState.COMPLETE:
            assert trial.value == max(trial.intermediate_values.values())
        if trial.state is not OptunaState.FAIL:
            assert trial.user_attrs["selected/valid/bleu"] == max(trial.intermediate_values.values())
        assert trial.user_attrs["stop_reason"] == searched[trial.number].stop_reason

    runs = project.query(
        "select t.value, r.status, r.run_uuid from runs r join tags t on r.run_uuid = t.run_uuid"
        " where t.key = 'trial_id'"
    )
    assert sorted(name for name, _, _ in runs) == sorted(trials)
    for name, status, run_id in runs:
        record = trials[name]
        assert status == STATES[record.state][1]
        history = read_history(project.history(record))
        shown = "select step, value from metrics where run_uuid = ? and key = 'valid/bleu' order by step"
        assert project.query(shown, run_id) == [(report.update, report.metrics["valid/bleu"]) for report in history]
        assert project.query("select value from tags where run_uuid = ? and key = 'stop_reason'", run_id) == [
            (record.stop_reason,)
        ]
        assert project.query("select value from tags where run_uuid = ? and key = 'state'", run_id) == [(record.state,)]
        shown = "select step, value from metrics where run_uuid = ? and key = 'selected/valid/bleu'"
        best = max((report.metrics["valid/bleu"] for report in history), default=None)
        ended = record.state is not TrialState.FAILED
        assert project.query(shown, run_id) == ([(history[-1].update, best)] if ended else [])
        assert [report.epoch for report in history] == list(range(1, len(history) + 1))
    require_mlflow_ranks_as_the_table(project)
    parents = project.query("select run_uuid from tags where key = 'kind' and value = 'sweep'")
    assert len(parents) == 1
    assert project.query("select count(*) from runs where status = 'RUNNING'") == [(0,)]


def require_closed(project: Project, status: SweepStatus) -> None:
    """The last launch has said in the ledger how it ended, and left no run open in MLflow."""
    closing = read_ledger(project.sweep)[2]
    assert closing is not None
    assert closing.status is status
    assert project.query("select count(*) from runs where status = 'RUNNING'") == [(0,)]


def require_mlflow_ranks_as_the_table(project: Project) -> None:
    """Sorted by the score of the selected weights, as a person sorts them, the runs stand as in the leaderboard."""
    uri = f"sqlite:///{project.directory}/mlflow.db"
    client = open_client(uri)
    order = ["metrics.`selected/valid/bleu` DESC", "attributes.start_time ASC"]
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], order_by=order)
    ranked = [run for run in runs if "selected/valid/bleu" in run.data.metrics]
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in ranked}
    address = urlsplit(client.get_run(parent).info.artifact_uri)
    folder = Path(unquote(address.path))
    if address.scheme == "mlflow-artifacts":  # a server keeps them
        folder = project.directory / "served" / folder.relative_to("/")
    rows = list(csv.DictReader((folder / "leaderboard.csv").read_text().splitlines()))
    assert [run.data.tags["trial_id"] for run in ranked] == [row["trial"] for row in rows if row["valid/bleu"]]
    searched = [run for run in ranked if run.data.tags["kind"] == "trial"]
    for row in strategy_table(project.sweep, project.trials(), metric="valid/bleu"):
        if row.best.kind == "trial":  # of the baselines the one counts that the search starts from
            best = next(run for run in searched if run.data.tags["strategy"] == row.best.row)
            assert best.data.metrics["selected/valid/bleu"] == row.best_value


def processes_of(project: Project) -> list[psutil.Process]:
    """Whatever its launchers have started that still lives."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(project.directory):
                found.append(process)
    return found


def require_nothing_left(project: Project) -> None:
    deadline = time.monotonic() + 60
    while (left := processes_of(project)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interrupt", "at_its_start"),
    [
        pytest.param(signal.SIGTERM, False, id="once it has reported"),
        pytest.param(signal.SIGINT, True, id="while it starts", marks=pytest.mark.extended),
    ],
)
def test_an_interrupted_sweep_of_two_worker_trials_resumes_and_gives_everything_back(tmp_path, interrupt, at_its_start):
    two_workers = SWEEP.replace("{workers: 1, concurrent_trials: 1}", "{workers: 2, concurrent_trials: 1}").replace(
        "trials_per_strategy: 3", "trials: 1"
    )
    project = Project(tmp_path, two_workers)
    project.train_baseline()

    def a_trial_starts() -> bool:
        return any(record.kind == "trial" for record in project.trials().values())

    def a_trial_has_reported() -> bool:
        return any(project.history(record).exists() for record in project.trials().values() if record.kind == "trial")

    process = project.launch(own_group=True)
    wait_for(a_trial_starts if at_its_start else a_trial_has_reported, process)
    time.sleep(3 * at_its_start)  # into the start of the Ray Train run
    os.killpg(process.pid, interrupt)  # as a terminal and `timeout` do
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 128 + interrupt, output
    assert "the same command" in output
    require_closed(project, SweepStatus.INTERRUPTED)

    code, output = project.run()
    assert code == 0, output
    assert len(project.trials()) == 1 + 1
    require_records_agree(project)
    require_nothing_left(project)
    replay = intelligen.reproduce("tiny", "t0000", runs=project.directory / "runs")
    assert (replay.identical, replay.recorded.manifest.processes, replay.recorded.changes) == (True, 2, ())


@pytest.mark.extended
def test_a_diverging_trial_fails_with_its_reason_and_the_sweep_goes_on(tmp_path):
    diverging = SWEEP.replace("{log_uniform: [1.0e-4, 5.0e-3]}", "{choice: [1.0e-3, 1.0e+30]}").replace(
        "      generative: {probability.start: {uniform: [0.05, 0.5]}}\n",
        "      generative: {finetuning.optimizer.clip_norm: {const: null}}\n",
    )
    # Every point, so that none is left to chance.
    project = Project(tmp_path, f"{diverging}search: {{sampler: grid}}\n")
    project.train_baseline()
    code, output = project.run("-o", "experiment.finetuning.optimizer.clip_norm=null")
    trials = [record for record in project.trials().values() if record.kind == "trial"]
    failed = [record for record in trials if record.state is TrialState.FAILED]
    assert failed, output
    assert all("lower the learning rate" in (record.stop_reason or "") for record in failed)
    assert code == 3
    require_records_agree(project)


def test_a_second_launch_is_refused_while_the_first_runs_and_after_it_changed_settings_are_named_key_by_key(tmp_path):
    project = Project(tmp_path)
    first = project.launch()
    wait_for(lambda: (project.sweep / "ledger.lock").exists() and (project.sweep / "ledger.jsonl").exists(), first)
    code, output = project.run()
    first.kill()
    first.communicate()
    assert code == 75
    assert f"held by pid {first.pid}" in output
    assert "stop it (intelligen stop tiny)" in output
    assert "rows kept" not in output

    code, output = project.run("-o", "search.seed=7")
    assert code == 78
    assert "sweep.search.seed: 1 → 7" in output


@pytest.mark.parametrize(
    ("override", "code", "named"),
    [
        ("resources.workers=64", 69, "asks for 64 CPUs"),
        ("resources.gpus_per_worker=1", 69, "resources: asks for 1 GPU ("),
        ("resources.gpus_per_worker=2", 2, "a worker trains on one GPU"),
        ("baseline.workers=64", 69, "baseline: asks for 64 CPUs"),
        ("budget.trails=3", 2, 'did you mean "trials"'),
        ("experiment.training.epochs=0", 2, "training.epochs"),
        ("name=../x", 2, "name"),
    ],
)
def test_impossible_requests_are_refused_before_ray_starts(tmp_path, monkeypatch, capfd, override, code, named):
    project = Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ["run", "sweep.yaml", *ON_PROCESSORS, "-o", override]
    found = guarded(lambda: commands.main(command, standalone_mode=False))
    output = "".join(capfd.readouterr())
    assert (found, named in output) == (code, True), output
    assert len(output.strip().splitlines()) == 1
    assert not project.sweep.exists()
    assert not ray.is_initialized()


def test_a_dead_tracking_server_is_named_before_anything_is_trained(tmp_path):
    project = Project(tmp_path)
    code, output = project.run("--tracking-uri", "http://127.0.0.1:9")
    assert code == 69, output
    assert "http://127.0.0.1:9" in output
    assert project.trials() == {}
    assert json.loads((project.sweep / "ledger.jsonl").read_text().splitlines()[0])["event"] == "open"
