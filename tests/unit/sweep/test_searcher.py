"""The search: conditional parameters, equal shares, draws that survive a kill, and correct reports to Optuna."""

import math

import optuna
import pytest
from searches import EPOCHS, SPACE, Search, sweep

from intelligen.analysis.trial_outcome import Outcome
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.space_forms import Choice, Const, Int, LogUniform, Uniform
from intelligen.errors import StorageError
from intelligen.state.trial_records import TrialState
from intelligen.sweep.cluster.capacity_monitor import CapacityMonitor
from intelligen.sweep.execution.retries import Next
from intelligen.sweep.execution.tune_callbacks import SearcherStopper
from intelligen.sweep.search import searcher
from intelligen.sweep.search.define_by_run import suggest
from intelligen.sweep.search.searcher import StudySearcher

TWO_OBJECTIVES = [
    {"metric": "valid/bleu", "direction": "maximize"},
    {"metric": "time/epoch_s", "direction": "minimize"},
]


def test_an_option_s_parameters_exist_only_where_it_is_chosen():
    space = {
        "strategy": Choice(choice={"standard": {}, "generative": {"candidates": Int(int=(2, 8))}}),
        "finetuning.label_smoothing": Uniform(uniform=(0.0, 0.2)),
        "finetuning.epochs": Const(const=3),
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set()
    for _ in range(20):
        trial = study.ask()
        changes = suggest(trial, space)
        option = changes["strategy.name"]
        seen.add(option)
        assert ("strategy.candidates" in changes) == (option == "generative")
        assert ("generative/candidates" in trial.params) == (option == "generative")
        assert changes["finetuning.epochs"] == 3
    assert seen == {"standard", "generative"}


def test_a_key_of_the_experiment_inside_an_option_is_absolute():
    space = {
        "strategy": Choice(
            choice={"standard": {"finetuning.optimizer.learning_rate": LogUniform(log_uniform=(1e-5, 1e-4))}}
        )
    }
    changes = suggest(optuna.create_study().ask(), space)
    assert set(changes) == {"strategy.name", "finetuning.optimizer.learning_rate"}


def test_every_strategy_gets_the_same_number_of_trials(tmp_path):
    started = Search(tmp_path, sweep()).run_all()
    assert [s.changes["strategy.name"] for s in started] == ["standard", "generative"] * 3


@pytest.mark.parametrize("objectives", [None, TWO_OBJECTIVES], ids=["one", "two"])
@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "nsga2"])
def test_a_search_that_is_killed_between_trials_suggests_what_an_undisturbed_one_does(tmp_path, sampler, objectives):
    settings = sweep(search={"sampler": sampler, "seed": 3, "startup_trials": 2}, objectives=objectives)
    ends = [(1.0, 9.0), (2.0, 5.0), (3.0, 7.0), (2.5, 2.0), (4.0, 8.0), (1.5, 1.0)]
    whole, parts = Search(tmp_path / "a", settings), []
    for values in ends:
        whole.run_one(*values[: 2 if objectives else 1])
    for values in ends:
        launch = Search(tmp_path / "b", settings)
        launch.run_one(*values[: 2 if objectives else 1])
        parts += launch.started
    assert parts == whole.started
    assert len({s.params["finetuning.optimizer.learning_rate"] for s in parts}) > 2


@pytest.mark.parametrize("ended", [0, 3], ids=["at the start", "by the model"])
@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "nsga2"])
def test_a_kill_in_the_middle_of_a_draw_changes_no_trial(tmp_path, monkeypatch, sampler, ended):
    space = {**SPACE, "finetuning.label_smoothing": {"uniform": [0.0, 0.2]}}
    settings = sweep(space=space, search={"sampler": sampler, "startup_trials": 2}, budget={"trials": 9})
    whole, before = Search(tmp_path / "whole", settings), Search(tmp_path / "killed", settings)
    for value in (1.0, 3.0, 2.0)[:ended]:
        assert whole.run_one(value) == before.run_one(value)
    for parameters in (1, 2):

        def killed(trial: optuna.Trial, space: dict, *, after: int = parameters) -> None:
            suggest(trial, dict(list(space.items())[:after]))
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(searcher, "suggest", killed)
            with pytest.raises(KeyboardInterrupt):
                Search(tmp_path / "killed", settings).searcher.suggest("killed")
    resumed = Search(tmp_path / "killed", settings)
    assert [resumed.run_one(4.0), resumed.run_one()] == [whole.run_one(4.0), whole.run_one()]


def test_samplers_make_different_things_of_the_same_beginnings(tmp_path):
    asked = {}
    for sampler in ("tpe", "random", "gp", "nsga2"):
        settings = sweep(search={"sampler": sampler, "startup_trials": 3}, budget={"trials_per_strategy": 6})
        search = Search(tmp_path / sampler, settings)
        for value in (1.0, 2.0, 3.0, 2.5, 4.0, 1.5, 1.0, 2.0, 3.0, 2.5, 4.0, 1.5):
            search.run_one(value)
        asked[sampler] = tuple(s.params["finetuning.optimizer.learning_rate"] for s in search.started)
    assert len(set(asked.values())) == 4
    assert len({rates[:3] for rates in asked.values()}) == 1


def test_a_trial_that_a_kill_left_running_comes_first_and_with_the_same_parameters(tmp_path):
    first = Search(tmp_path, sweep())
    first.run_one()
    first.searcher.suggest("never told")
    left = first.started[-1]
    second = Search(tmp_path, sweep())
    assert not second.searcher.is_over()
    assert second.run_one() == left
    second.run_all()
    assert [trial.number for trial in second.study.trials] == list(range(6))
    assert second.searcher.is_over()


def test_a_search_is_not_over_while_its_last_trial_runs(tmp_path):
    search = Search(tmp_path, sweep(budget={"trials": 1}))
    search.searcher.suggest("running")
    assert not search.searcher.is_over()
    assert search.searcher.suggest("another") is None  # the one that runs may have to run again


def test_optuna_is_told_what_the_files_say(tmp_path):
    search = Search(tmp_path, sweep())
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED):
        search.run_one(5.0, state=state)
    complete, pruned, failed = search.study.trials
    assert (complete.state.name, complete.value) == ("COMPLETE", 5.0)
    assert (pruned.state.name, pruned.intermediate_values) == ("PRUNED", {1: 5.0})
    assert failed.state.name == "FAIL"


def test_a_curve_is_whole_although_tune_hides_the_report_at_which_a_trial_is_stopped(tmp_path):
    search = Search(tmp_path, sweep())
    search.run_one(5.0, state=TrialState.PRUNED, curve={1: 5.0, 2: 6.0, 3: 4.0})
    search.run_one(5.0, state=TrialState.FAILED, curve={1: 5.0, 2: math.nan})
    pruned, failed = search.study.trials
    assert pruned.intermediate_values == {1: 5.0, 2: 6.0, 3: 4.0}
    assert failed.intermediate_values == {1: 5.0}


@pytest.mark.parametrize("objectives", [None, TWO_OBJECTIVES], ids=["one", "two"])
def test_a_trial_goes_on_after_a_report_that_did_not_stop_it(tmp_path, objectives):
    search = Search(tmp_path, sweep(objectives=objectives))
    search.searcher.suggest("a")
    search.searcher.suggest("b")
    for trial, epoch in (("a", 1), ("b", 1), ("a", 1), ("a", 2)):
        search.searcher.on_trial_result(trial, {"valid/bleu": 1.0, "training_iteration": epoch})
    assert search.gone_on == [(0, 1), (1, 1), (0, 1), (0, 2)]


def test_several_objectives_make_a_pareto_front(tmp_path):
    search = Search(tmp_path, sweep(objectives=TWO_OBJECTIVES))
    for values in ((10.0, 5.0), (12.0, 7.0), (9.0, 6.0), (12.0, 8.0)):
        search.run_one(*values)
    search.run_one(99.0, state=TrialState.PRUNED, curve={1: 99.0})
    assert [trial.values for trial in search.study.best_trials] == [[10.0, 5.0], [12.0, 7.0]]
    assert search.study.trials[4].state.name == "PRUNED"


def test_values_that_do_not_go_together_fail_one_trial_and_the_search_goes_on(tmp_path):
    search = Search(tmp_path, sweep())
    search.refusals = {0, 3, 5}
    search.run_all()
    assert [suggestion.number for suggestion in search.started] == [1, 2, 4]
    assert search.refused == dict.fromkeys((0, 3, 5), "strategy: these do not go together")
    states = [trial.state for trial in search.study.trials]
    assert [number for number, state in enumerate(states) if state == optuna.trial.TrialState.FAIL] == [0, 3, 5]
    assert search.searcher.is_over()


def test_a_strategy_whose_budget_is_spent_gets_no_further_trial_and_the_others_go_on(tmp_path):
    spent: set[str] = set()
    settings = sweep(budget={"device_hours_per_strategy": 1.0, "trials": 7})
    search = Search(tmp_path, settings, spent=lambda strategy: "spent" if strategy in spent else None)
    for _ in range(3):
        search.run_one()
    spent.add("standard")
    search.run_all()
    chosen = [s.changes["strategy.name"] for s in search.started]
    assert chosen == ["standard", "generative", "standard"] + ["generative"] * 4
    assert search.searcher.is_over()


def test_a_search_ends_when_every_strategy_has_spent_its_budget(tmp_path):
    settings = sweep(budget={"target_tokens_per_strategy": 10})
    search = Search(tmp_path, settings, spent=lambda strategy: None if strategy is None else "spent")
    assert search.run_one() is None
    assert search.searcher.is_over()


def test_a_running_trial_is_stopped_at_its_next_report_with_the_reason_save_at_its_last_epoch(tmp_path):
    reason: list[str] = []
    search = Search(tmp_path, sweep(), spent=lambda strategy: reason[0] if reason and strategy is None else None)
    stopper = SearcherStopper(search.searcher, CapacityMonitor(Resources()))
    search.searcher.suggest("a")
    assert not stopper("a", {"training_iteration": 1})
    reason.append("the budget of 2 hours is spent")
    assert not stopper("a", {"training_iteration": EPOCHS})
    assert stopper("a", {"training_iteration": 2})
    number = search.started[-1].number
    search.ends[number] = Outcome(TrialState.PRUNED, "")
    search.searcher.on_trial_complete("a", {})
    assert search.stopped == {number: "the budget of 2 hours is spent"}
    assert search.searcher.suggest("b") == StudySearcher.FINISHED


def test_without_shares_the_sampler_chooses_the_strategies(tmp_path):
    started = Search(tmp_path, sweep(budget={"trials": 12}, search={"sampler": "random"})).run_all()
    chosen = [s.changes["strategy.name"] for s in started]
    assert len(chosen) == 12
    assert set(chosen) == set(SPACE["strategy"]["choice"])
    assert chosen != ["standard", "generative"] * 6


def test_a_failed_attempt_is_followed_by_another_at_once_or_alone_or_by_the_trial_s_end(tmp_path):
    search = Search(tmp_path, sweep(budget={"trials": 3}))
    ask, fail = search.searcher.suggest, search.searcher.on_attempt_failed

    def begun() -> int:
        return search.started[-1].number

    search.follows[0] = [Next.AGAIN, Next.ALONE]
    ask("a")
    ask("b")
    fail("a", RuntimeError())
    ask("c")
    assert (begun(), search.started[-1].begins) == (0, False)
    fail("c", MemoryError())
    assert ask("d") is None  # while the other one runs, 0 is not alone
    assert search.study.trials[0].state.name == "RUNNING"
    search.ends[1] = Outcome(TrialState.COMPLETE, "", (1.0,))
    search.searcher.on_trial_complete("b", {})
    ask("d")
    assert begun() == 0
    assert ask("e") is None  # nothing starts beside it
    search.ends[0] = Outcome(TrialState.FAILED, "out of memory")
    fail("d", MemoryError())
    assert search.study.trials[0].state.name == "FAIL"
    ask("e")
    assert begun() == 2
    search.ends[2] = Outcome(TrialState.COMPLETE, "", (1.0,))
    search.searcher.on_trial_complete("e", {})
    assert ask("f") == StudySearcher.FINISHED
    assert search.searcher.error is None


def test_the_first_error_ends_the_search_is_kept_as_it_was_and_ends_no_trial(tmp_path):
    search = Search(tmp_path, sweep())
    stopper = SearcherStopper(search.searcher, CapacityMonitor(Resources()))
    for name in ("a", "b"):
        search.searcher.suggest(name)
    assert not stopper.stop_all()
    search.broken = StorageError("ledger.jsonl: cannot append: No space left on device")
    search.searcher.on_trial_complete("a", {})
    assert search.searcher.error is search.broken
    search.searcher.on_trial_complete("b", {})
    assert stopper.stop_all()
    assert stopper("b", {"training_iteration": 1})
    assert search.searcher.suggest("c") == StudySearcher.FINISHED
    assert search.searcher.error is search.broken
    assert [trial.state.name for trial in search.study.trials] == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize(
    "callback",
    [
        lambda searcher: searcher.suggest("a"),
        lambda searcher: searcher.stops("never started", 1),
        lambda searcher: searcher.on_trial_result("never started", {searcher.metric: 1.0, "training_iteration": 1}),
        lambda searcher: searcher.on_trial_complete("never started"),
    ],
    ids=["suggest", "stops", "result", "complete"],
)
def test_no_error_of_a_callback_reaches_tune(tmp_path, callback):
    def spent(strategy: str | None) -> str | None:
        raise StorageError("history.jsonl:1: damaged")

    search = Search(tmp_path, sweep(), spent=spent)
    callback(search.searcher)
    assert isinstance(search.searcher.error, StorageError | KeyError)
