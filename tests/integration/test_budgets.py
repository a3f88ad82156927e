"""A sweep whose budget ends in mid-trial stops cleanly, goes on with a larger one, and warm-starts the next sweep."""

import sqlite3
from pathlib import Path

import optuna
import pytest
from test_sweep import SWEEP, Project, require_records_agree

from intelligen.state.history import read_history
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord, TrialState

# An epoch is about 2,500 target tokens.
ONE_AND_A_HALF_TRIALS = 14_000
UNPRUNED = SWEEP.replace("scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}", "scheduler: {name: none}")
NEXT = """
version: 1
name: next
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 5.0e-3]}
  strategy:
    choice:
      standard: {}
      generative: {probability.start: {uniform: [0.05, 0.5]}}
search:
  sampler: nsga2
  startup_trials: 2
  storage: sqlite:///studies.db
  warm_start: {sweep: tiny, points: [{strategy: standard, finetuning.optimizer.learning_rate: 1.0e-3}]}
budget: {target_tokens_per_strategy: 6000}
objectives:
  - {metric: valid/bleu, direction: maximize}
  - {metric: time/epoch_s, direction: minimize}
scheduler: {name: median}
"""


def tokens(directory: Path, record: TrialRecord) -> int:
    reports = read_history(directory / record.directory / "history.jsonl")
    return reports[-1].target_tokens if reports else 0


@pytest.mark.slow
def test_a_budget_of_tokens_ends_a_sweep_in_mid_trial_and_a_larger_one_goes_on(tmp_path):
    project = Project(tmp_path, UNPRUNED)
    project.train_baseline()
    budget = f"budget={{trials_per_strategy: 2, target_tokens: {ONE_AND_A_HALF_TRIALS}}}"
    code, output = project.run("-o", budget)
    assert code == 0, output
    first, second = (record for record in project.trials().values() if record.kind == "trial")
    assert first.state is TrialState.COMPLETE
    assert (second.state, second.stop_reason) == (TrialState.PRUNED, "the budget of 14,000 target tokens is spent")
    spent = tokens(project.sweep, first) + tokens(project.sweep, second)
    an_epoch = tokens(project.sweep, first) / 4
    assert ONE_AND_A_HALF_TRIALS <= spent < ONE_AND_A_HALF_TRIALS + 2 * an_epoch
    # The rest of the stages has run: the test sets are scored, the table stands.
    assert "test/bleu" in second.scores
    assert "| generative | 1 (1 stopped early)" in (project.sweep / "table.md").read_text()
    require_records_agree(project)
    before = project.trials()

    code, output = project.run("-o", budget)
    assert code == 0, output
    assert project.trials() == before

    code, output = project.run("-o", "budget={trials_per_strategy: 2, wall_hours: 9}")
    assert code == 0, output
    after = project.trials()
    assert len(after) == 1 + 4
    assert all(after[name].started_ms == record.started_ms for name, record in before.items())
    require_records_agree(project)

    require_the_next_sweep_learns(project)


def require_the_next_sweep_learns(project: Project) -> None:
    """In a database, by a genetic algorithm, for two objectives, with equal tokens for each strategy."""
    (project.directory / "sweep.yaml").write_text(NEXT)
    code, output = project.run()
    assert code == 0, output
    directory = project.directory / "runs" / "sweeps" / "next"
    fingerprint, trials, _ = read_ledger(directory)
    searched = [record for record in trials.values() if record.kind == "trial"]
    with sqlite3.connect(project.directory / "studies.db") as database:
        ((name,),) = database.execute("select study_name from studies").fetchall()
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{project.directory}/studies.db")
    assert name == f"next-{fingerprint['sweep_id']}"
    taught = [trial.user_attrs["warm_start"] for trial in study.trials if "warm_start" in trial.user_attrs]
    assert taught == [
        f"tiny/{record.id}" for record in project.trials().values() if record.id != "baseline-1" and complete(record)
    ]
    assert searched[0].number == len(taught)
    assert searched[0].params["finetuning.optimizer.learning_rate"] == 1e-3
    for strategy in ("standard", "generative"):
        mine = [record for record in searched if record.row == strategy]
        assert mine[-1].state is TrialState.PRUNED
        assert mine[-1].stop_reason == "the budget of 6,000 target tokens per strategy is spent"
        assert sum(tokens(directory, record) for record in mine) >= 6000


def complete(record: TrialRecord) -> bool:
    return record.state is TrialState.COMPLETE
