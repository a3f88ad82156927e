"""A study of three searches, killed in the second and resumed: each has its own seeds, study, ratio and best trials."""

import json
import signal
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from test_sweep import Project, wait_for

import intelligen
from intelligen.analysis.result_rows import primary, result_rows
from intelligen.analysis.strategy_table import best_by_row
from intelligen.analysis.study import StudyResults, read_study
from intelligen.state.history import read_history
from intelligen.state.trial_records import TrialRecord, TrialState

pytestmark = [pytest.mark.slow, pytest.mark.extended, pytest.mark.timeout(1500)]

ROWS, OWN = ("standard", "recurrent", "recurrent_matched"), "recurrent_matched"
SWEEP = """
version: 1
name: tiny
question: Is it the strategy, or the configuration that one search has found?
experiment: experiment.yaml
controls: own
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-3, 5.0e-3]}
  strategy: {choice: {standard: {}, recurrent: {}}}
search: {replicates: 3}
budget: {trials_per_strategy: 2}
scheduler: {name: none}
confirm: {seeds: 2}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study after a kill in its second search, and a resume."""
    project = Project(tmp_path_factory.mktemp("searches"), SWEEP)
    launch = project.launch()
    wait_for(lambda: second_search_trains(project), launch, timeout_s=900)
    launch.send_signal(signal.SIGKILL)
    launch.communicate()
    (project.directory / "killed.json").write_text(json.dumps(ended(project)))
    process = project.launch()
    output, _ = process.communicate(timeout=900)
    (project.directory / "output.txt").write_text(output)
    assert process.returncode == 0, output
    return project


def second_search_trains(project: Project) -> bool:
    """Whether a later trial of the second search is in the middle of its training."""
    running = [one for name, one in project.trials().items() if name.startswith("r2-") and name != "r2-t0000"]
    return any(one.state is TrialState.RUNNING and read_history(project.history(one)) for one in running)


def ended(project: Project) -> dict[str, int | None]:
    return {name: one.ended_ms for name, one in project.trials().items() if one.state is not TrialState.RUNNING}


def of_search(project: Project, number: int) -> dict[str, TrialRecord]:
    first = 1 + 1000 * (number - 1)
    return {name: one for name, one in project.trials().items() if first <= one.seed < first + 1000}


def study_of(project: Project) -> StudyResults:
    return read_study(project.sweep, store=project.directory / "runs")


def test_a_resumed_launch_trains_only_what_was_left(project: Project) -> None:
    before = json.loads((project.directory / "killed.json").read_text())
    assert {name: one for name, one in ended(project).items() if name in before} == before
    searched = {name: one for name, one in project.trials().items() if one.kind == "trial"}
    attempts = {name: one.attempts for name, one in searched.items() if one.attempts > 1}
    assert len(attempts) == 1, "one trial was under way"
    assert next(iter(attempts)).startswith("r2-")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_search_has_its_trials_controls_and_confirmations_with_its_own_seeds(
    project: Project, number: int
) -> None:
    trials, first = of_search(project, number), 1 + 1000 * (number - 1)
    searched = [f"r{number}-t000{one}" for one in range(4)]
    assert [name for name, one in trials.items() if one.suggested] == searched
    points = [name for name, one in trials.items() if one.suggested and one.row == "recurrent"]
    assert [name for name, one in trials.items() if one.matches] == [f"{OWN}-{name}" for name in points]
    assert {name for name, one in trials.items() if one.kind == "baseline"} == {
        f"baseline-{seed}" for seed in range(first, first + 3)
    }
    best = best_by_row(project.sweep, trials, metric="valid/bleu")
    confirmed = {name: (one.confirms, one.seed) for name, one in trials.items() if one.kind == "confirm"}
    assert confirmed == {f"{row}-s{seed}": (best[row].id, seed) for row in ROWS for seed in (first + 1, first + 2)}
    events = map(json.loads, (project.sweep / "ledger.jsonl").read_text().splitlines())
    fixed = [one for one in events if one["event"] == "updates_ratio" and one["trial"] in trials]
    assert [(one["row"], one["trial"]) for one in fixed] == [(OWN, best["recurrent"].id)]
    used = {one.config["strategy"]["updates_ratio"] for one in trials.values() if one.row == OWN}
    assert used == {fixed[0]["ratio"]}


def test_each_search_has_a_study_of_its_own_that_draws_other_points(project: Project) -> None:
    rates = []
    for number in (1, 2, 3):
        storage = JournalStorage(JournalFileBackend(str(project.sweep / f"study-r{number}.journal")))
        trials = optuna.load_study(study_name=None, storage=storage).trials
        assert [trial.number for trial in trials] == [0, 1, 2, 3]
        rates += [trial.params["finetuning.optimizer.learning_rate"] for trial in trials]
    assert len(set(rates)) == 12
    assert not (project.sweep / "study.journal").exists()


def test_the_answer_is_over_searches(project: Project) -> None:
    study = study_of(project)
    (row,) = [one.score for one in primary(study, result_rows(study)) if one.score.own]
    assert row.own is not None
    assert (row.system, row.own.control, len(row.own.seeds)) == ("recurrent", OWN, 6)
    assert row.own.refusal == ""
    assert row.difference is not None
    assert row.difference.difference.units == 3
    output = " ".join((project.directory / "output.txt").read_text().split())
    assert "3 searches with 2 seeds each" in output
    assert "as configured here" not in output
    assert "over 3 searches with 2 seeds each" in (project.sweep / "table.md").read_text()


def test_a_further_launch_changes_nothing_and_another_number_of_searches_is_refused(project: Project) -> None:
    ledger = (project.sweep / "ledger.jsonl").read_text()
    assert project.run()[0] == 0
    assert (project.sweep / "ledger.jsonl").read_text() == ledger
    code, output = project.run("-o", "search.replicates=4")
    assert (code, "sweep.search.replicates: 3 → 4; the number of searches is planned" in output) == (78, True)


def test_results_and_mlflow_name_the_search(project: Project) -> None:
    frame = intelligen.results("tiny", runs=project.directory / "runs", columns="all")
    assert frame.loc["r2-t0001", "replicate"] == 2
    assert frame.groupby("replicate").size().to_dict() == {1: 15, 2: 15, 3: 15}
    rows = project.query("select t.value, count(*) from tags t where t.key = 'replicate' group by t.value")
    assert rows == [("1", 15), ("2", 15), ("3", 15)]


def test_a_larger_budget_comes_too_late(project: Project) -> None:
    code, output = project.run("-o", "budget.trials_per_strategy=3")
    assert (code, "its best configurations are being confirmed" in output) == (78, True)


def test_the_report_says_which_searches_there_were(project: Project) -> None:
    page = Path(project.sweep / "report.html").read_text()
    assert "Each row was searched several times" in page
    assert "2: seeds from 1001 on" in page
