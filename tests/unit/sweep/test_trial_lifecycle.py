"""A launch finds what a killed one left behind: ends that were not reported, trials without a budget."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from searches import report, sweep
from torch import nn

from intelligen.cli.main import commands
from intelligen.config.document import Document
from intelligen.config.files.examined import validated
from intelligen.config.files.overrides import parse_override, with_overrides
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.state.history import History
from intelligen.state.ledger import Ledger, SweepStatus, TrialState
from intelligen.state.trial_result import Result
from intelligen.sweep.launch_steps import reopened_lines
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.search.optuna_study import STUDY_FILE, open_study
from intelligen.sweep.search.searcher import Suggestion
from intelligen.sweep.stages import is_finished, sweep_pareto_front
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import SearchedTrials, end_trial, reopen_failed, tell_known_ends
from intelligen.training.selected_weights import write_result

RATE = {"finetuning.optimizer.learning_rate": 1e-4}
PARAMS = {
    "standard": {**RATE, "strategy": "standard"},
    "generative": {**RATE, "strategy": "generative", "generative/probability.start": 0.2},
}
REASON = "the budget of 250 target tokens is spent"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "s"


@pytest.fixture
def ledger(directory: Path) -> Iterator[Ledger]:
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        yield ledger


def launch(directory: Path, ledger: Ledger, settings: Sweep) -> SweepContext:
    return SweepContext(
        settings, Experiment(version=1, name="e"), DataOfRows("x"), directory.parents[1], directory, ledger
    )


def start(run: SweepContext, number: int, *, strategy: str = "standard", epochs: int = 0) -> None:
    name = f"t{number:04d}"
    folder = run.directory / "trials" / name
    folder.mkdir(parents=True)
    run.ledger.start(
        name,
        kind="trial",
        row=strategy,
        seed=1,
        params=PARAMS[strategy],
        config={},
        directory=f"trials/{name}",
        number=number,
    )
    for epoch in range(1, epochs + 1):
        History(folder).append(report(epoch, 10.0 * epoch))


def test_a_trial_left_running_is_ended_where_its_budget_is_spent_and_goes_on_where_not(directory, ledger):
    run = launch(directory, ledger, sweep())
    study = open_study(directory, run.sweep, sweep_id="0")
    for number, strategy in enumerate(("standard", "generative", "standard")):
        study.ask()
        start(run, number, strategy=strategy, epochs=2 if number < 2 else 0)
    study.ask()  # killed before it came into the ledger
    tell_known_ends(run, study, lambda strategy: REASON if strategy == "standard" else None)
    records = list(ledger.trials.values())
    assert [(r.state, r.stop_reason) for r in records] == [
        (TrialState.PRUNED, REASON),
        (TrialState.RUNNING, None),
        (TrialState.PRUNED, REASON),
    ]
    assert [t.state.name for t in study.trials] == ["PRUNED", "RUNNING", "PRUNED", "RUNNING"]
    assert [t.intermediate_values for t in study.trials] == [{1: 10.0, 2: 20.0}, {}, {}, {}]


def test_optuna_is_told_of_ends_that_it_missed_by_a_kill(directory, ledger):
    run = launch(directory, ledger, sweep())
    study = open_study(directory, run.sweep, sweep_id="0")
    for number, state in enumerate((TrialState.PRUNED, TrialState.FAILED)):
        study.ask()
        start(run, number, epochs=1)
        ledger.finish(f"t{number:04d}", state, "it ended")
    tell_known_ends(run, study, lambda strategy: None)
    assert [t.state.name for t in study.trials] == ["PRUNED", "FAIL"]
    assert [t.intermediate_values for t in study.trials] == [{1: 10.0}] * 2


def test_a_sweep_is_finished_when_its_budget_is_spent_and_no_longer_when_that_is_raised(directory, ledger):
    run = launch(directory, ledger, sweep(budget={"target_tokens": 250}))
    start(run, 0, epochs=3)
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert not is_finished(run)  # its trial has not ended
    ledger.finish("t0000", TrialState.PRUNED, REASON)
    assert not is_finished(run)  # the sweep has not been closed since
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert is_finished(run)
    assert not is_finished(launch(directory, ledger, sweep(budget={"target_tokens": 350})))
    assert not is_finished(launch(directory, ledger, sweep(budget={"trials": 2})))
    assert is_finished(launch(directory, ledger, sweep(budget={"trials": 1, "target_tokens": 350})))


def test_a_refused_trial_stands_under_its_strategy_however_the_space_names_it(directory, ledger):
    run = launch(directory, ledger, sweep())
    for number, key in enumerate(("strategy", "strategy.name", "finetuning.epochs")):
        SearchedTrials(run).refuse(Suggestion(number, {}, {key: "generative"}, {}), "it does not fit")
    strategies = [record.row for record in ledger.trials.values()]
    assert strategies == ["generative", "generative", "standard"]


def test_the_front_lists_the_sweep_s_own_trials_best_first(directory, ledger):
    objectives = [
        {"metric": "valid/bleu", "direction": "maximize"},
        {"metric": "time/epoch_s", "direction": "minimize"},
    ]
    run = launch(directory, ledger, sweep(objectives=objectives))
    for number, (bleu, epoch_s) in enumerate(((10.0, 2.0), (12.0, 3.0), (9.0, 2.5))):
        start(run, number)
        folder = run.directory / "trials" / f"t{number:04d}"
        History(folder).append(report(1, bleu, **{"time/epoch_s": epoch_s}))
        write_result(folder, Result("best", {"valid/bleu": bleu}, "finished"), model=nn.Linear(1, 1))
        end_trial(run, f"t{number:04d}", crashed=False)
    assert [(record.id, values) for record, values in sweep_pareto_front(run)] == [
        ("t0001", (12.0, 3.0)),
        ("t0000", (10.0, 2.0)),
    ]
    assert not (directory / STUDY_FILE).exists()  # a launch that lost its study asks for the front at its end
    assert sweep_pareto_front(launch(directory, ledger, sweep())) == []


def test_failed_trials_run_again_as_the_same_trials(directory, ledger):
    run = launch(directory, ledger, sweep())
    for number, state in enumerate((TrialState.COMPLETE, TrialState.FAILED, TrialState.FAILED)):
        start(run, number)
        ledger.finish(f"t{number:04d}", state, "it ended")
    assert reopen_failed(run) == (["t0001", "t0002"], {})
    assert [record.state.value for record in ledger.trials.values()] == ["complete", "running", "running"]
    run.begin("t0001", None, directory / "trials" / "t0001", kind="trial")
    assert ledger.trials["t0001"].attempts == 2  # its beginning is the attempt of which the ledger says so already
    assert reopen_failed(run) == ([], {})


def test_failed_trials_of_a_row_that_is_being_confirmed_stay_failed_and_are_said_to(directory, ledger):
    run = launch(directory, ledger, sweep())
    start(run, 0)
    ledger.finish("t0000", TrialState.FAILED, "it ended")
    settings = {"row": "standard", "seed": 2, "params": {}, "config": {}}
    ledger.start("standard-s2", kind="confirm", directory="confirm/standard-s2", **settings)
    ledger.finish("standard-s2", TrialState.FAILED, "it ended")
    assert list(reopened_lines(run)) == [
        "runs again: standard-s2",
        "does not run again: t0000: the best trial of the row is being confirmed, and stays the best",
    ]
    assert ledger.trials["t0000"].state is TrialState.FAILED


def test_a_failed_row_runs_again_while_others_are_being_confirmed(directory, ledger):
    run = launch(directory, ledger, sweep())
    start(run, 0)
    start(run, 1, strategy="generative")
    ledger.finish("t0000", TrialState.COMPLETE, "finished")
    ledger.finish("t0001", TrialState.FAILED, "its host was lost")
    settings = {"row": "standard", "seed": 2, "params": {}, "config": {}}
    ledger.start("standard-s2", kind="confirm", directory="confirm/standard-s2", **settings)
    assert reopen_failed(run) == (["t0001"], {})


@pytest.mark.parametrize(
    ("budget", "reason", "more"),
    [
        ({"target_tokens": 250}, "the budget of 250 target tokens is spent", "target_tokens=600"),
        (
            {"device_hours": 0.25, "device_hours_per_strategy": 0.5},
            "the budget of 0.25 device-hours is spent, the budget of 0.5 device-hours per strategy is spent",
            "device_hours_per_strategy=2",
        ),
    ],
)
def test_a_failed_trial_for_which_no_budget_is_left_stays_failed_and_the_command_that_is_named_runs_it_again(
    directory, ledger, budget, reason, more
):
    run = launch(directory, ledger, sweep(budget=budget))
    for number, strategy in enumerate(("generative", "standard")):
        start(run, number, strategy=strategy)
    for epoch in (1, 2, 3):
        History(directory / "trials" / "t0001").append(report(epoch, 1.0, **{"cost/device_s": 1200.0}))
    ledger.finish("t0001", TrialState.FAILED, "it ended")
    (line,) = reopened_lines(run)
    said, _, command = line.partition("; give more: ")
    assert said == f"does not run again: t0001: {reason}"
    assert ledger.trials["t0001"].state is TrialState.FAILED
    program, verb, *words = shlex.split(command)
    assert (program, verb, words[-1]) == ("intelligen", "resume", f"budget.{more}")
    typed = commands.commands["resume"].make_context("resume", words).params
    assert (typed["sweep"], typed["runs"], typed["failed"]) == ("s", directory.parents[1], True)
    document = Document(run.sweep.model_dump(mode="json"), {})
    given = validated(Sweep, with_overrides(document, Sweep, [parse_override(text) for text in typed["overrides"]]))
    assert list(reopened_lines(launch(directory, ledger, given))) == ["runs again: t0001"]
