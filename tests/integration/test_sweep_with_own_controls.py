"""A study with own controls, killed while these train and resumed: the ratio is fixed once, each point trained once."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from test_sweep import Project, wait_for

from intelligen.analysis.result_rows import primary, result_rows
from intelligen.analysis.study import read_study
from intelligen.cli.main import commands, guarded
from intelligen.state.history import read_history
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import read_trial

pytestmark = [pytest.mark.slow, pytest.mark.extended]

OWN = "recurrent_matched"
SWEEP = """
version: 1
name: tiny
question: Is it more than teacher forcing does in the same time?
experiment: experiment.yaml
controls: own
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-3, 5.0e-3]}
  strategy: {choice: {standard: {}, recurrent: {passes: {const: 4}}}}
budget: {trials_per_strategy: 2}
scheduler: {name: none}
confirm: {seeds: 3}
resources: {workers: 1, concurrent_trials: 1}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study after a kill and a resume, with the ratios that were fixed before the kill."""
    project = Project(tmp_path_factory.mktemp("controls"), SWEEP)
    project.train_baseline()
    launch = project.launch("--until", "search")
    wait_for(lambda: bool(under_way(project)), launch)
    launch.send_signal(signal.SIGKILL)
    launch.communicate()
    (project.directory / "killed.json").write_text(json.dumps(ratios(project)))
    code, output = project.run()
    assert code == 0, output
    return project


def under_way(project: Project) -> list[TrialRecord]:
    """Control trials in the middle of their training."""
    records = [one for one in project.trials().values() if one.row == OWN and one.state is TrialState.RUNNING]
    return [one for one in records if read_history(project.history(one))]


def ratios(project: Project) -> list[dict[str, Any]]:
    events = map(json.loads, (project.sweep / "ledger.jsonl").read_text().splitlines())
    return [event for event in events if event["event"] == "updates_ratio"]


def controls(project: Project, kind: str) -> dict[str, TrialRecord]:
    return {name: one for name, one in project.trials().items() if (one.row, one.kind) == (OWN, kind)}


def test_the_ratio_is_fixed_once_and_a_resumed_launch_reads_it(project: Project) -> None:
    assert ratios(project) == json.loads((project.directory / "killed.json").read_text())
    (event,) = ratios(project)
    assert event["ratio"] > 1.2  # four passes without a gradient beside the two with one
    every = {**controls(project, "trial"), **controls(project, "confirm")}
    trained = {read_trial(project.sweep / one.directory).strategy for one in every.values()}
    assert [(one.name, one.model_dump()["updates_ratio"]) for one in trained] == [("standard_matched", event["ratio"])]


def test_each_point_is_trained_once_with_more_updates(project: Project) -> None:
    searched = controls(project, "trial")
    theirs = [name for name, one in project.trials().items() if (one.row, one.kind) == ("recurrent", "trial")]
    assert list(searched) == [f"{OWN}-{name}" for name in theirs]
    assert [one.attempts for one in searched.values()] == [2, 1]
    (event,) = ratios(project)
    for one in searched.values():
        strategy = read_history(project.history(project.trials()[str(one.matches)]))[-1].update
        updates = read_history(project.history(one))[-1].update
        assert updates == pytest.approx(event["ratio"] * strategy, abs=len(read_history(project.history(one))))
        assert updates > strategy


def test_the_strategy_is_judged_beside_its_own_control_whose_cost_is_said(project: Project) -> None:
    study = read_study(project.sweep, store=project.directory / "runs")
    (own,) = (row.score.own for row in primary(study, result_rows(study)) if row.score.own is not None)
    assert (own.control, own.seeds, own.refusal) == (OWN, (2, 3, 4), "")
    assert own.cost_ratio is not None


def test_a_control_trial_is_reproduced_from_its_lock(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    name, record = next(iter(controls(project, "confirm").items()))
    monkeypatch.chdir(project.directory)
    trial = str(Path("runs/sweeps/tiny") / record.directory)
    assert guarded(lambda: commands.main(["reproduce", trial], standalone_mode=False)) == 0, name
