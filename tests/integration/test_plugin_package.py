"""A task, a model and a strategy of another package go all the way: fit, a sweep, MLflow, the table, the report."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT
from test_sweep import ON_PROCESSORS, Project
from toy_installation import TOY_PATH, TOY_PYTHONPATH

from intelligen.training.reproducibility_manifest import read_manifests

MODEL = "model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}"
SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
space:
  strategy:
    choice:
      standard: {}
      standard_matched: {updates_ratio: {const: 1.5}}
      ramped: {shape: {choice: [linear, square]}}
objective: {metric: valid/token_f1}
search: {sampler: random}
budget: {trials_per_strategy: 1}
scheduler: {name: none}
confirm: {seeds: 2}
"""
SHORT = ("-o", "experiment.finetuning.epochs=1", "-o", "experiment.training.epochs=1")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("plugin"), SWEEP)
    experiment = TINY_EXPERIMENT
    # Copying reads the sources alone, which have fewer characters.
    for key, other in ((MODEL, "model: {name: tiny_lm}\ntask: {name: copying}"), ("vocabulary: 90", "vocabulary: 80")):
        assert key in experiment
        experiment = experiment.replace(key, other)
    (project.directory / "experiment.yaml").write_text(experiment)
    return project


def command(project: Project, *arguments: str, python_path: str = TOY_PYTHONPATH) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": python_path, "INTELLIGEN_LOCAL": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-m", "intelligen", *arguments],
        cwd=project.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_model_is_trained_and_finetuned_by_the_strategy(project: Project) -> None:
    short = ["-o", "training.epochs=1", "--device", "cpu"]
    for arguments in (
        ["validate", "experiment.yaml"],
        ["train", "experiment.yaml", *short],
        ["finetune", "experiment.yaml", "--strategy", "ramped", "-o", "finetuning.epochs=1", *short],
    ):
        done = command(project, *arguments)
        assert done.returncode == 0, done.stderr
    (trained,) = (project.directory / "runs" / "finetuned").glob("ramped-*")
    told = json.loads((trained / "trial.json").read_text())
    assert [told[part]["name"] for part in ("task", "model", "strategy")] == ["copying", "tiny_lm", "ramped"]
    assert read_manifests(trained)[0].versions["toy-lm"] == "0.3"

    tested = command(project, "test", str(trained), "--device", "cpu", "--json")
    assert tested.returncode == 0, tested.stderr
    (scored,) = json.loads(tested.stdout)["scores"]
    assert {"token_f1", "exact_match"} <= scored["metrics"].keys()
    gone = command(project, "test", str(trained), "--device", "cpu", python_path="")
    assert gone.returncode == 69, gone.stderr
    assert "task copying: the package that brings it is not installed here" in gone.stderr


@pytest.mark.slow
def test_a_sweep_over_the_strategy_comes_to_its_table_report_and_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = project.launch(*ON_PROCESSORS, *SHORT, PYTHONPATH=TOY_PYTHONPATH)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    assert "ramped" in output

    heading = (project.sweep / "table.md").read_text().splitlines()[0]
    assert "| valid/token_f1 | seeds | test/token_f1 |" in heading

    for path in TOY_PATH:  # the ledger is read by who has the package alone
        monkeypatch.syspath_prepend(path)
    records = project.trials().values()
    assert {record.row for record in records if record.kind == "confirm"} >= {"standard", "ramped"}
    runs = project.query("select distinct run_uuid from tags where key = 'trial_id'")
    assert project.query("select value from tags where key = 'plugin/toy-lm'") == [("0.3",)] * (len(runs) + 1)

    assert project.query("select count(*) from metrics where key = 'test/token_f1'") != [(0,)]

    report = command(project, "report", "tiny", "--json")
    assert report.returncode == 0, report.stderr
    document = json.loads(report.stdout)
    assert [row["strategy"] for row in document["rows"]] == ["baseline", "standard", "standard_matched", "ramped"]
    assert document["metric"] == "token_f1"
    assert "ramped" in Path(project.directory, document["report"]).read_text()
    gone = command(project, "report", "tiny", python_path="")
    assert gone.returncode == 69, gone.stderr
    assert "the package toy-lm, which brings its task, model or strategy, is not installed here" in gone.stderr
