"""The search: conditional parameters, equal shares, draws that survive a kill, rungs that remember."""

from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from intelligen.config.space import Choice, Const, Int, LogUniform, Uniform
from intelligen.config.sweep import Sweep
from intelligen.errors import ConfigError
from intelligen.sweep.outcome import Outcome
from intelligen.sweep.scheduler import scheduler
from intelligen.sweep.searcher import StudySearcher, Suggestion, open_study
from intelligen.sweep.space import suggest
from intelligen.tracking.records import TrialState
from intelligen.training.history import History, Report

SPACE = {
    "finetuning.optimizer.learning_rate": {"log_uniform": [1e-5, 1e-3]},
    "strategy": {
        "choice": {"standard": {}, "generative": {"probability.start": {"uniform": [0.1, 0.5]}}},
    },
}


def sweep(**changes: object) -> Sweep:
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "space": SPACE, "budget": {"trials_per_strategy": 3}}
    return Sweep.model_validate(settings | changes, strict=False)


class Search:
    """A searcher over a study on disk, whose trials end as told."""

    def __init__(self, directory: Path, settings: Sweep) -> None:
        self.started: list[Suggestion] = []
        self.ends: dict[int, Outcome] = {}
        self.study = open_study(directory, settings)
        self.refused: dict[int, str] = {}
        self.refusals: set[int] = set()
        self.searcher = StudySearcher(
            self.study,
            sweep=settings,
            start=self._start,
            refuse=self._refuse,
            settle=lambda number, crashed: self.ends[number],
        )

    def _start(self, suggestion: Suggestion) -> dict:
        if suggestion.number in self.refusals:
            raise ConfigError("strategy: these do not go together")
        self.started.append(suggestion)
        return {}

    def _refuse(self, suggestion: Suggestion, reason: str) -> Outcome:
        self.refused[suggestion.number] = reason
        return Outcome(TrialState.FAILED, reason)

    def run_one(self, *, value: float = 1.0, state: TrialState = TrialState.COMPLETE) -> Suggestion | None:
        name = f"tune-{len(self.started)}-{id(self)}"
        if self.searcher.suggest(name) == StudySearcher.FINISHED:
            return None
        number = self.started[-1].number
        self.searcher.on_trial_result(name, {"valid/bleu": value, "training_iteration": 1})
        self.ends[number] = Outcome(state, "", value)
        self.searcher.on_trial_complete(name, {}, error=state is TrialState.FAILED)
        return self.started[-1]


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
    search = Search(tmp_path, sweep())
    while search.run_one() is not None:
        pass
    assert [s.changes["strategy.name"] for s in search.started] == ["standard", "generative"] * 3


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_is_killed_between_trials_suggests_what_an_undisturbed_one_does(tmp_path, sampler):
    settings = sweep(search={"sampler": sampler, "seed": 3, "startup_trials": 2})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = Search(tmp_path / "a", settings)
    for value in (1.0, 2.0, 3.0, 2.5, 4.0, 1.5):
        whole.run_one(value=value)
    parts = []
    for value in (1.0, 2.0, 3.0, 2.5, 4.0, 1.5):
        launch = Search(tmp_path / "b", settings)
        launch.run_one(value=value)
        parts += launch.started
    assert parts == whole.started
    assert len({s.params["finetuning.optimizer.learning_rate"] for s in parts}) == 6


def test_a_trial_that_a_kill_left_running_comes_first_and_with_the_same_parameters(tmp_path):
    first = Search(tmp_path, sweep())
    first.run_one()
    first.searcher.suggest("never told")
    left = first.started[-1]
    second = Search(tmp_path, sweep())
    assert second.searcher.remaining() == 5
    assert second.run_one() == left
    while second.run_one() is not None:
        pass
    assert [trial.number for trial in second.study.trials] == list(range(6))
    assert second.searcher.remaining() == 0


def test_optuna_is_told_the_truth(tmp_path):
    search = Search(tmp_path, sweep())
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED):
        search.run_one(value=5.0, state=state)
    complete, pruned, failed = search.study.trials
    assert (complete.state.name, complete.value) == ("COMPLETE", 5.0)
    assert (pruned.state.name, pruned.intermediate_values) == ("PRUNED", {1: 5.0})
    assert failed.state.name == "FAIL"


def report(epoch: int, value: float) -> Report:
    return Report(epoch, epoch, epoch, 0, {"valid/bleu": value})


def test_a_resumed_scheduler_compares_with_trials_that_ended_before(tmp_path):
    earlier = {f"t{index}": [report(1, 10.0 + index), report(2, 20.0 + index)] for index in range(4)}
    asha = scheduler(sweep(), epochs=4, ended=earlier)
    (tmp_path / "weak").mkdir()
    weak = SimpleNamespace(trial_id="weak", config={"directory": str(tmp_path / "weak")})
    asha.on_trial_add(None, weak)
    assert asha.on_trial_result(None, weak, {"valid/bleu": 1.0, "training_iteration": 1}) == "STOP"
    fresh = scheduler(sweep(), epochs=4, ended={})
    fresh.on_trial_add(None, weak)
    assert fresh.on_trial_result(None, weak, {"valid/bleu": 1.0, "training_iteration": 1}) == "CONTINUE"


def test_a_resumed_trial_stands_on_each_rung_once(tmp_path):
    (tmp_path / "t").mkdir()
    history = History(tmp_path / "t")
    for epoch in (1, 2):
        history.append(report(epoch, 10.0 * epoch))
    asha = scheduler(sweep(), epochs=8, ended={})
    left = SimpleNamespace(trial_id="new-name", config={"directory": str(tmp_path / "t")})
    asha.on_trial_add(None, left)
    asha.on_trial_result(None, left, {"valid/bleu": 30.0, "training_iteration": 3})
    rungs = asha._brackets[0]._rungs
    assert {milestone: list(recorded) for milestone, recorded in rungs if recorded} == {
        1: ["new-name"],
        2: ["new-name"],
    }


def test_a_trial_is_never_stopped_after_its_last_epoch(tmp_path):
    better = {f"t{index}": [report(epoch, 50.0) for epoch in (1, 2, 3, 4)] for index in range(4)}
    asha = scheduler(sweep(), epochs=4, ended=better)
    (tmp_path / "t").mkdir()
    trial = SimpleNamespace(trial_id="t", config={"directory": str(tmp_path / "t")})
    asha.on_trial_add(None, trial)
    results = [{"valid/bleu": value, "training_iteration": epoch} for epoch, value in ((3, 60.0), (4, 1.0))]
    assert [asha.on_trial_result(None, trial, result) for result in results] == ["CONTINUE"] * 2


def test_values_that_do_not_go_together_fail_one_trial_and_the_search_goes_on(tmp_path):
    search = Search(tmp_path, sweep())
    search.refusals = {0, 3, 5}
    while search.run_one():
        pass
    assert [suggestion.number for suggestion in search.started] == [1, 2, 4]
    assert search.refused == dict.fromkeys((0, 3, 5), "strategy: these do not go together")
    states = [trial.state for trial in search.study.trials]
    assert [number for number, state in enumerate(states) if state == optuna.trial.TrialState.FAIL] == [0, 3, 5]
    assert search.searcher.remaining() == 0
