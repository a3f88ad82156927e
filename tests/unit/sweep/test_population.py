"""A population's trials wait for each other, exploit alike however they are timed or killed, and end truthfully."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from searches import report, sweep
from torch import nn

from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.training import Training
from intelligen.state.failure_file import write_failure
from intelligen.state.history import History
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import Result
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.schedulers.population import Populations
from intelligen.sweep.search.optuna_study import EXPLOITS, open_study
from intelligen.sweep.search.searcher import StudySearcher
from intelligen.sweep.search.warm_start import warm_start
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import SearchedTrials, tell_known_ends
from intelligen.training.checkpoint import WEIGHTS, Checkpoints
from intelligen.training.selected_weights import write_result

RATE = "finetuning.optimizer.learning_rate"
EPOCHS = 6
SETTINGS: dict[str, Any] = {
    "scheduler": {"name": "pbt", "population": 3, "interval_epochs": 2},
    "search": {"sampler": "random"},
}
SPENT = "the budget of 1 hour is spent"


class ScriptedLaunch:
    """A launch whose trials train by leaving what a training leaves: the larger the learning rate, the better."""

    def __init__(self, directory: Path, ledger: Ledger, settings: Sweep) -> None:
        experiment = Experiment(version=1, name="e", finetuning=Training(epochs=EPOCHS))
        self.run = SweepContext(settings, experiment, DataOfRows("x"), directory.parents[1], directory, ledger)
        self.study = open_study(directory, settings, sweep_id="0")
        self.over: str | None = None
        self.begun: list[tuple[str, int]] = []
        """(trial, the epoch after which its turn ends)"""
        self.fails: set[str] = set()
        self.unhealthy: set[str] = set()
        """Those that end unhealthy after their first turn."""
        tell_known_ends(self.run, self.study, lambda strategy: self.over)
        populations = Populations(self.run, settings.scheduler)
        self.searcher = StudySearcher(
            self.study,
            sweep=settings,
            spent=lambda strategy: self.over,
            trials=SearchedTrials(self.run, populations),
            populations=populations,
        )

    def work(self, *, at_once: int = 1, steps: int = 1000, pick: Callable[[list[str]], str] = min) -> None:
        """Train turn after turn; `pick` says whose of those that train at once ends next."""
        training: dict[str, dict[str, Any]] = {}
        for count in range(steps):
            suggested: object = None
            while len(training) < at_once:
                suggested = self.searcher.suggest(name := f"tune-{count}-{len(training)}-{id(self)}")
                if not isinstance(suggested, dict):
                    break
                training[name] = suggested
                self.begun.append((Path(suggested["directory"]).name, suggested["until_epoch"]))
            if not training:
                assert suggested == StudySearcher.FINISHED
                return
            name = pick(list(training))
            config = training.pop(name)
            train(config, self.fails)
            if Path(config["directory"]).name in self.unhealthy:
                end_unhealthy(Path(config["directory"]))
            self.searcher.on_trial_complete(name)

    @property
    def trials(self) -> dict[str, TrialRecord]:
        return self.run.ledger.trials

    def exploits(self) -> dict[str, tuple]:
        return {name: record.exploits for name, record in self.trials.items()}


def train(config: dict[str, Any], fails: set[str], *, until_epoch: int | None = None) -> None:
    directory = Path(config["directory"])
    directory.mkdir(parents=True, exist_ok=True)
    if directory.name in fails:
        write_failure(directory, "diverged")
        return
    rate = Trial.model_validate_json(config["settings"]).training.optimizer.learning_rate
    history, checkpoints = History(directory), Checkpoints(directory)
    for epoch in range(len(history.reports) + 1, min(until_epoch or config["until_epoch"], config["epochs"]) + 1):
        checkpoints.save(epoch, model=nn.Linear(1, 1), training={}, meta={})
        history.append(report(epoch, 1e5 * rate, **{"valid/loss": 1e5 * rate}))
    if len(history.reports) == config["epochs"]:
        last = history.reports[-1].metrics
        write_result(directory, Result("last", dict(last), "finished"), model=nn.Linear(1, 1))


def end_unhealthy(directory: Path) -> None:
    metrics = dict(History(directory).reports[-1].metrics)
    write_result(directory, Result("last", metrics, "sick: collapse", healthy=False), model=nn.Linear(1, 1))


@contextmanager
def launch(directory: Path, settings: Sweep) -> Iterator[ScriptedLaunch]:
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        yield ScriptedLaunch(directory, ledger, settings)


def directory_of(tmp_path: Path, name: str) -> Path:
    return tmp_path / name / "sweeps" / "s"


@pytest.fixture
def settings() -> Sweep:
    return sweep(**SETTINGS)


def test_no_trial_begins_an_interval_before_the_whole_population_of_its_strategy_has_ended_the_last(tmp_path, settings):
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.work()
        strategies = {name: record.row for name, record in launched.trials.items()}
        states = {record.state for record in launched.trials.values()}
    for strategy in ("standard", "generative"):
        epochs = [epoch for name, epoch in launched.begun if strategies[name] == strategy]
        assert epochs == [2] * 3 + [4] * 3 + [6] * 3
    assert states == {TrialState.COMPLETE}
    assert [trial.state.name for trial in launched.study.trials] == ["COMPLETE"] * 6


def test_after_each_interval_the_worst_goes_on_from_the_best_of_its_strategy(tmp_path, settings):
    directory = directory_of(tmp_path, "a")
    with launch(directory, settings) as launched:
        launched.work()
    _, trials, _ = read_ledger(directory)
    exploiting = [(record, exploit) for record in trials.values() for exploit in record.exploits]
    assert {exploit.epoch for _, exploit in exploiting} == {2, 4}
    assert len(exploiting) == 2 * 2  # one at each turn's end, in each strategy
    for record, exploit in exploiting:
        rates = {
            name: other.params_in(exploit.epoch)[RATE] for name, other in trials.items() if other.row == record.row
        }
        assert record.id == min(rates, key=rates.__getitem__)
        assert exploit.donor == max(rates, key=rates.__getitem__)
        assert exploit.params[RATE] != rates[exploit.donor]
        assert record.params_in(exploit.epoch + 1) == exploit.params
    last, exploit = exploiting[-1]
    own, donor = (directory / trials[name].directory for name in (last.id, exploit.donor))
    adopted = Checkpoints(own).adopted(exploit.epoch)
    assert (adopted.path / WEIGHTS).read_bytes() == Checkpoints(donor).weights(exploit.epoch).read_bytes()
    # Optuna's parameters are those at the beginning; what came later stands beside them.
    known = {trial.number: trial for trial in launched.study.trials}[last.number]
    assert known.params == dict(last.params)
    assert [one["donor"] for one in known.user_attrs[EXPLOITS]] == [one.donor for one in last.exploits]


def test_a_loss_is_compared_the_other_way_round(tmp_path):
    settings = sweep(**SETTINGS, objective={"metric": "valid/loss", "direction": "minimize"})
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.work()
        firsts = [record for record in launched.trials.values() if any(one.epoch == 2 for one in record.exploits)]
        assert len(firsts) == 2
        for record in firsts:
            rates = [other.params[RATE] for other in launched.trials.values() if other.row == record.row]
            assert record.params[RATE] == max(rates)
            assert launched.trials[record.exploits[0].donor].params[RATE] == min(rates)


def test_neither_timing_nor_kills_change_who_takes_over_what(tmp_path, settings):
    with launch(directory_of(tmp_path, "one-by-one"), settings) as launched:
        launched.work()
        undisturbed = launched.exploits()
        attempts = {record.attempts for record in launched.trials.values()}
    assert any(undisturbed.values())
    assert attempts == {1}

    for seed in range(3):
        with launch(directory_of(tmp_path, f"four-at-once-{seed}"), settings) as launched:
            launched.work(at_once=4, pick=random.Random(seed).choice)
            assert launched.exploits() == undisturbed

    for steps in (1, 2, 5):
        killed = directory_of(tmp_path, f"killed-after-{steps}")
        for _ in range(100):
            with launch(killed, settings) as launched:
                if launched.searcher.is_over():
                    break
                launched.work(steps=steps)
                # In the middle of a turn: half of it stands already.
                if isinstance(config := launched.searcher.suggest("killed"), dict):
                    train(config, set(), until_epoch=config["until_epoch"] - 1)
        with launch(killed, settings) as launched:
            assert launched.exploits() == undisturbed
            assert {record.state for record in launched.trials.values()} == {TrialState.COMPLETE}


def test_a_trial_that_fails_leaves_its_population_and_the_others_go_on(tmp_path, settings):
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.fails.add("t0000")
        launched.work()
        states = [record.state for record in launched.trials.values()]
        donors = {exploit.donor for exploits in launched.exploits().values() for exploit in exploits}
    assert states == [TrialState.FAILED] + [TrialState.COMPLETE] * 5
    assert "t0000" not in donors


@pytest.mark.parametrize("which", [min, max])
def test_a_trial_that_ends_unhealthy_at_an_interval_s_end_is_over_and_no_donor(which, tmp_path, settings):
    """Be it the worst of its population, which would take over, or the best, from which the worst would."""
    with launch(directory_of(tmp_path, "calm"), settings) as launched:
        launched.work()
        rates = {name: one.params[RATE] for name, one in launched.trials.items() if one.row == "standard"}
        unhealthy = which(rates, key=rates.__getitem__)
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.unhealthy.add(unhealthy)
        launched.work()
        ends = {name: (record.state, record.stop_reason) for name, record in launched.trials.items()}
        donors = {exploit.donor for exploits in launched.exploits().values() for exploit in exploits}
        assert [epoch for name, epoch in launched.begun if name == unhealthy] == [2]
        assert launched.trials[unhealthy].exploits == ()
    assert ends.pop(unhealthy) == (TrialState.PRUNED, "sick: collapse")
    assert {state for state, _ in ends.values()} == {TrialState.COMPLETE}
    assert donors
    assert unhealthy not in donors


def test_paused_trials_end_with_the_budget_that_pays_for_them(tmp_path, settings):
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.work(steps=4)
        launched.over = SPENT
        launched.work()
        records = list(launched.trials.values())
        assert launched.searcher.is_over()
    assert len(records) == 4
    assert {(record.state, record.stop_reason) for record in records} == {(TrialState.PRUNED, SPENT)}
    assert [trial.state.name for trial in launched.study.trials] == ["PRUNED"] * 4


def test_the_last_population_may_be_smaller_and_waits_for_no_other_trial(tmp_path):
    settings = sweep(**SETTINGS, budget={"trials_per_strategy": 4})
    with launch(directory_of(tmp_path, "a"), settings) as launched:
        launched.work()
        assert [record.state for record in launched.trials.values()] == [TrialState.COMPLETE] * 8
        alone = [record for record in launched.trials.values() if record.row == "standard"][-1]
    assert alone.exploits == ()
    assert launched.trials[alone.id].turn_epoch == 4


def test_trials_that_a_raised_budget_adds_form_a_population_of_their_own(tmp_path):
    directory = directory_of(tmp_path, "a")
    with launch(directory, sweep(**SETTINGS, budget={"trials_per_strategy": 1})) as launched:
        launched.work(steps=2)
        assert [name for name, _ in launched.begun] == ["t0000", "t0000"]
    with launch(directory, sweep(**SETTINGS, budget={"trials_per_strategy": 3})) as launched:
        launched.work()
        assert {record.state for record in launched.trials.values()} == {TrialState.COMPLETE}
        exploits = {name: [one.donor for one in found] for name, found in launched.exploits().items() if found}
    assert exploits
    assert "t0000" not in {*exploits, *(donor for donors in exploits.values() for donor in donors)}


def test_another_search_does_not_learn_from_exploited_values(tmp_path, settings):
    directory = directory_of(tmp_path, "a")
    with launch(directory, settings) as launched:
        launched.work()
        own = {f"s/{name}" for name, record in launched.trials.items() if not record.exploits}
    assert 0 < len(own) < 6
    after = sweep(search={"warm_start": {"sweep": "s"}}, name="after")
    study = open_study(tmp_path, after, sweep_id="1")
    warm_start(study, after, sweeps=directory.parent)
    assert {trial.user_attrs["warm_start"] for trial in study.trials} == own
