"""A study with looks trains and scores by turns; killed between looks, it comes to the same ledger and decisions."""

import signal
from pathlib import Path

import pytest
from test_sweep import Project, require_records_agree, wait_for

from intelligen.analysis.comparisons import comparisons, next_round
from intelligen.analysis.conclusion import conclusion_of
from intelligen.analysis.sequential_looks import primary_models
from intelligen.analysis.status import SweepState, read_status
from intelligen.analysis.study import StudyResults, read_study
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.extended, pytest.mark.timeout(1500)]

SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-3, 5.0e-3]}
  strategy: {choice: {standard: {}, generative: {}}}
budget: {trials_per_strategy: 1}
scheduler: {name: none}
confirm: {seeds: {at_least: 3, at_most: 5}, until: resolved, difference: 3.0}
"""


def study_of(project: Project) -> StudyResults:
    return read_study(project.sweep, store=project.directory / "runs")


def decisions(study: StudyResults) -> dict[str, tuple[object, ...]]:
    references = study.test_sets["test"].references
    held = comparisons(study, primary_models(study), references, setting=study.primary)
    return {
        f"{name} {control}": (one.seeds, one.end, one.verdict, one.comparison)
        for name, beside in held.items()
        for control, one in beside.items()
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, SWEEP)
    experiment = project.directory / "experiment.yaml"
    experiment.write_text(experiment.read_text().replace("finetuning:\n", "finetuning:\n  health: {patience: null}\n"))
    return project


def first_look_is_taken(project: Project) -> bool:
    """Whether the first three seeds have been scored, and another baseline or repetition has begun, or none will."""
    trials = project.trials()
    repeated = [record for record in trials.values() if record.kind == "confirm"]
    return sum(bool(record.scores) for record in repeated) >= 6


def test_a_study_killed_after_its_first_look_comes_to_the_decisions_of_its_scores(project: Project) -> None:
    launch = project.launch()
    wait_for(lambda: first_look_is_taken(project), launch, timeout_s=900)
    launch.send_signal(signal.SIGKILL)
    launch.communicate()
    left = next_round(study_of(project))
    before = {name: dict(record.scores) for name, record in project.trials().items() if record.scores}
    code, output = project.run()
    assert code == 0, output
    trials, study = project.trials(), study_of(project)
    assert {name: dict(trials[name].scores) for name in before} == before, "each model is decoded once"
    confirmed = {record.seed for record in trials.values() if record.kind == "confirm"}
    baselines = {record.seed for record in trials.values() if record.kind == "baseline"}
    assert next_round(study) is None
    assert confirmed == set(range(2, 2 + len(confirmed)))
    assert baselines == {1, *confirmed}, "no baseline is trained whose seed no look asked for"
    assert (len(confirmed) > 3) == (left is not None)
    assert all(record.state is TrialState.COMPLETE for record in trials.values())
    found = decisions(study)
    ((seeds, end, *_),) = found.values()
    assert (set(seeds), end is None) == (confirmed, False)  # type: ignore[call-overload]
    assert decisions(study_of(project)) == found
    require_records_agree(project)
    assert conclusion_of(study).sentence in " ".join(output.split())
    assert read_status(SweepFiles(project.sweep)).state is SweepState.COMPLETE
    ledger = (project.sweep / "ledger.jsonl").read_text()
    assert project.run()[0] == 0
    assert (project.sweep / "ledger.jsonl").read_text() == ledger
    code, output = project.run("-o", "confirm.seeds.at_most=9")
    assert (code, "sweep.confirm.seeds.at_most: 5 → 9" in output) == (78, True)
