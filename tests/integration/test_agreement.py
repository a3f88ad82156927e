"""Thirty trials under ASHA, two at a time: some diverge, one is killed, one hangs, the tracking server goes away."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_sweep import Project, require_nothing_left, require_records_agree, wait_for
from tracking_servers import address, free_port, serving, wait_until

from intelligen.state.heartbeat import read_worker
from intelligen.state.history import Report, read_history
from intelligen.state.trial_records import TrialRecord, TrialState

pytestmark = pytest.mark.slow

TRIALS, EPOCHS, HANGS_AFTER_S, AWAY_S = 30, 4, 15, 10.0
SWEEP = f"""
version: 1
name: tiny
question: Does every record say the same?
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {{choice: [5.0e-4, 1.0e-3, 2.0e-3, 4.0e-3, 1.0e+30]}}
  strategy: {{choice: {{standard: {{}}, generative: {{}}}}}}
search: {{sampler: random}}
budget: {{trials: {TRIALS}}}
scheduler: {{name: asha, grace_epochs: 1, reduction_factor: 2}}
resources: {{concurrent_trials: 2, attempts: 1, no_progress_s: {HANGS_AFTER_S}}}
"""
METRIC = "valid/bleu"


@dataclass
class Story:
    """What was seen of the sweep on its way, and what is left of it."""

    project: Project
    killed: str
    hung: str
    away_ms: tuple[float, float]
    """When the server went, and when it was back."""
    shown_before: int
    """Rows that MLflow held when the server went, …"""
    shown_after: int
    """… and when it was about to come back."""
    code: int
    output: str

    def searched(self) -> list[tuple[TrialRecord, list[Report]]]:
        """Every trial with its own reports."""
        records = [record for record in self.project.trials().values() if record.kind == "trial"]
        return [(record, read_history(self.project.history(record))) for record in records]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The sweep, and all that it goes through."""
    project = Project(tmp_path_factory.mktemp("project"), SWEEP)
    experiment = project.directory / "experiment.yaml"
    experiment.write_text(
        experiment.read_text().replace(
            "optimizer: {learning_rate: 2.0e-3}", "optimizer: {clip_norm: null}\n  precision: fp16"
        )
    )
    project.train_baseline()
    store, port = project.directory / "mlflow.db", free_port()
    with serving(store, port) as server:
        launch = project.launch("--tracking-uri", address(port))
        wait_for(lambda: bool(running(project)) and (rows(project) > 0 or is_under_way(project)), launch)
        shown_before = stop_between_writes(server, project)
        gone_s = time.time()
        killed = kill_one(project, launch)
        hung = hang_one(project, launch)
        wait_for(lambda: time.time() > gone_s + AWAY_S and reports_since(project, gone_s) > EPOCHS, launch)
        shown_after = rows(project)
    with serving(store, port):
        back_s = time.time()
        output, _ = launch.communicate(timeout=240)
    return Story(
        project=project,
        killed=killed,
        hung=hung,
        away_ms=(1000 * gone_s, 1000 * back_s),
        shown_before=shown_before,
        shown_after=shown_after,
        code=launch.returncode,
        output=output,
    )


def is_under_way(project: Project) -> bool:
    """Whether so many trials have begun that the server must go now, though it may not have shown anything yet."""
    return len(project.trials()) > TRIALS / 3


def rows(project: Project) -> int:
    ((count,),) = project.query("select count(*) from metrics")
    return int(count)


def running(project: Project) -> list[TrialRecord]:
    return [r for r in project.trials().values() if r.kind == "trial" and r.state is TrialState.RUNNING]


def reports_since(project: Project, since_s: float) -> int:
    """How many epochs trials have reported since a time."""
    reports = [one for record in project.trials().values() for one in read_history(project.history(record))]
    return sum(report.time_ms > 1000 * since_s for report in reports)


def stop_between_writes(server: subprocess.Popen[bytes], project: Project) -> int:
    """Stop the server's processes, but not with the database locked; returns the rows that it holds."""
    while True:
        os.killpg(server.pid, signal.SIGSTOP)
        wait_until(lambda: have_stopped(server.pid))  # until then a thread may lock it still
        try:
            return rows(project)
        except sqlite3.OperationalError:
            os.killpg(server.pid, signal.SIGCONT)


def have_stopped(server: int) -> bool:
    """Whether no thread of it and its children runs, as Linux tells."""
    processes = [server, *(child.pid for child in psutil.Process(server).children(recursive=True))]
    threads = [stat for pid in processes for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.read_text().rpartition(")")[2].split()[0] in "TZX" for stat in threads)


def kill_one(project: Project, launch: subprocess.Popen[str]) -> str:
    while True:
        trial, worker = stopped_in_mid_trial(project, launch)
        worker.kill()
        wait_for(lambda trial=trial: project.trials()[trial].state is not TrialState.RUNNING, launch)
        if project.trials()[trial].state is TrialState.FAILED:
            return trial


def hang_one(project: Project, launch: subprocess.Popen[str]) -> str:
    while True:
        trial, worker = stopped_in_mid_trial(project, launch)
        wait_for(lambda trial=trial: project.trials()[trial].state is not TrialState.RUNNING, launch)
        if "no progress" in (project.trials()[trial].stop_reason or ""):
            return trial
        worker.resume()  # the scheduler had stopped it before


def stopped_in_mid_trial(project: Project, launch: subprocess.Popen[str]) -> tuple[str, psutil.Process]:
    """A trial that has reported, and is to report again, and its worker, which has been stopped."""
    found: list[tuple[str, psutil.Process]] = []

    def look() -> bool:
        for record in running(project):
            worker = read_worker(project.sweep / record.directory)
            process = None if worker is None else worker.process()
            if process is None or not 0 < len(read_history(project.history(record))) < EPOCHS:
                continue
            process.suspend()
            time.sleep(0.5)  # whatever it had reported has been decided upon
            same = read_worker(project.sweep / record.directory) == worker
            if same and record.id in {other.id for other in running(project)}:
                found.append((record.id, process))
                return True
            process.resume()
        return False

    wait_for(look, launch)
    return found[0]


def test_optuna_mlflow_tune_and_the_ledger_agree_on_every_trial(story: Story) -> None:
    assert story.code == 3, story.output
    searched = story.searched()
    assert len(searched) == TRIALS
    assert {record.state for record, _ in searched} == set(TrialState) - {TrialState.RUNNING}
    require_records_agree(story.project)
    tune = tune_records(story.project)
    assert tune.keys() == {record.id for record, _ in searched}
    for record, reports in searched:
        require_tune_agrees(record, reports, *tune[record.id])
    require_nothing_left(story.project)


def tune_records(project: Project) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """Trial → what Tune's own files say of it: its status, its last result, its metrics' courses.

    A scoring of test sets is a trial to Tune alone.
    """
    (state,) = project.sweep.glob("tune/launch-0/experiment_state-*.json")
    found = {}
    for pair in json.loads(state.read_text())["trial_data"]:
        trial, told = map(json.loads, pair)
        name = Path(trial["config"]["directory"]).name
        if "scoring" in trial["config"]:
            assert trial["status"] == "TERMINATED"
            continue
        found[name] = (trial["status"], told["last_result"], told["metric_analysis"])
    return found


def require_tune_agrees(
    record: TrialRecord, reports: list[Report], status: str, last: dict[str, Any], course: dict[str, Any]
) -> None:
    values = [report.metrics[METRIC] for report in reports]
    epochs = last.get("training_iteration", 0)
    if record.state is TrialState.FAILED and status == "ERROR":
        # What a killed process reported last may not have come as far as Tune.
        assert len(values) - 1 <= epochs <= len(values)
        values = values[:epochs]
    else:
        assert status == "TERMINATED"
        assert epochs == len(values)
        assert last.get("failure") == (record.stop_reason if record.state is TrialState.FAILED else None)
        assert (epochs == EPOCHS) == (record.state is TrialState.COMPLETE)
    if values:
        assert (course[METRIC]["last"], course[METRIC]["max"]) == (values[-1], max(values))


def test_each_failure_has_its_reason_and_the_sweep_goes_on(story: Story) -> None:
    reasons = {record.id: record.stop_reason for record, _ in story.searched() if record.state is TrialState.FAILED}
    assert reasons.pop(story.hung) == f"no progress for {HANGS_AFTER_S} s"
    assert (reasons.pop(story.killed) or "").startswith("its process died at every attempt")
    rates = {record.id: record.params["finetuning.optimizer.learning_rate"] for record, _ in story.searched()}
    assert reasons.keys() == {name for name, rate in rates.items() if rate == 1e30} - {story.hung, story.killed}
    assert all("lower the learning rate" in (reason or "") for reason in reasons.values())


def test_trials_begin_report_and_end_while_the_tracking_server_is_away(story: Story) -> None:
    gone, back = story.away_ms
    assert back - gone >= 1000 * AWAY_S
    assert story.shown_after == story.shown_before
    searched = story.searched()
    meanwhile = [report for _, reports in searched for report in reports if gone < report.time_ms < back]
    assert len(meanwhile) > EPOCHS
    assert any(gone < record.started_ms and (record.ended_ms or back) < back for record, _ in searched)
    assert "MLflow will catch up" in story.output
    assert "does not hold everything yet" not in story.output
    counted = Counter(story.project.query("select run_uuid, key, step from metrics"))
    assert set(counted.values()) == {1}
