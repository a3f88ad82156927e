"""Early stops: rungs and medians that remember earlier launches, and no stop after a trial's last epoch."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ray import cloudpickle
from searches import EPOCHS, report, sweep

from intelligen.state.history import History, Report
from intelligen.sweep.schedulers.early_stopping import EndedTrial, bracket_of, scheduler

COMPARING = ["asha", "hyperband", "median"]


@dataclass(eq=False)
class TuneTrial:
    """What a scheduler sees of a trial of Tune's."""

    directory: Path
    trial_id: str = "new-name"
    epochs: int = EPOCHS
    row: str = "standard"
    config: dict = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.config = {"directory": str(self.directory), "epochs": self.epochs, "row": self.row}


def ended(name: str, value: float, *, row: str = "standard") -> EndedTrial:
    return EndedTrial(name, row, tuple(report(epoch, value) for epoch in (1, 2, 3, 4)))


def curves(*values: float) -> list[EndedTrial]:
    return [ended(f"t{index}", value) for index, value in enumerate(values)]


def decision(of: object, trial: TuneTrial, *, epoch: int, value: float) -> str:
    return of.on_trial_result(None, trial, {"valid/bleu": value, "training_iteration": epoch})


def directory_in(parent: Path, *, bracket: int) -> Path:
    """A trial's directory whose name puts it into this bracket of Hyperband."""
    return next(parent / f"t{i:04d}" for i in range(99) if bracket_of(f"t{i:04d}", 3, 2) == bracket)


def in_first_bracket(*values: float, row: str = "standard") -> list[EndedTrial]:
    names = [f"t{i:04d}" for i in range(99) if bracket_of(f"t{i:04d}", 3, 2) == 0]
    return [ended(name, value, row=row) for name, value in zip(names, values, strict=False)]


@pytest.mark.parametrize("name", COMPARING)
def test_a_resumed_scheduler_compares_with_trials_that_ended_before(tmp_path, name):
    settings = sweep(scheduler={"name": name})
    weak = TuneTrial(directory_in(tmp_path, bracket=0))
    remembering = scheduler(settings, epochs=EPOCHS, ended=in_first_bracket(10.0, 11.0, 12.0, 13.0))
    remembering.on_trial_add(None, weak)
    assert decision(remembering, weak, epoch=1, value=1.0) == "STOP"
    fresh = scheduler(settings, epochs=EPOCHS, ended=[])
    fresh.on_trial_add(None, weak)
    assert decision(fresh, weak, epoch=1, value=1.0) == "CONTINUE"


@pytest.mark.parametrize("name", COMPARING)
def test_a_slow_strategy_is_not_stopped_by_the_curves_of_another(tmp_path, name):
    better = in_first_bracket(10.0, 11.0, 12.0, 13.0)
    slow = TuneTrial(directory_in(tmp_path, bracket=0), row="generative")
    within = scheduler(sweep(scheduler={"name": name}), epochs=EPOCHS, ended=better)
    across = scheduler(sweep(scheduler={"name": name}, budget={"trials": 6}), epochs=EPOCHS, ended=better)
    for comparing, said in ((within, "CONTINUE"), (across, "STOP")):
        comparing.on_trial_add(None, slow)
        assert decision(comparing, slow, epoch=1, value=1.0) == said
    own = in_first_bracket(10.0, 11.0, 12.0, 13.0, row="generative")
    within = scheduler(sweep(scheduler={"name": name}), epochs=EPOCHS, ended=own)
    within.on_trial_add(None, slow)
    assert decision(within, slow, epoch=1, value=1.0) == "STOP"


@pytest.mark.parametrize("budget", [{"trials_per_strategy": 3}, {"trials": 3}], ids=["each", "all"])
@pytest.mark.parametrize("name", [*COMPARING, "none"])
def test_no_secret_of_the_sweep_goes_where_tune_pickles_its_scheduler(name, budget):
    settings = sweep(scheduler={"name": name}, budget=budget, search={"storage": "postgresql://me:canary@host/studies"})
    assert b"canary" not in cloudpickle.dumps(scheduler(settings, epochs=EPOCHS, ended=[]))


@pytest.mark.parametrize("name", COMPARING)
def test_a_good_trial_goes_on(tmp_path, name):
    strong = TuneTrial(directory_in(tmp_path, bracket=0))
    remembering = scheduler(
        sweep(scheduler={"name": name}), epochs=EPOCHS, ended=in_first_bracket(10.0, 11.0, 12.0, 13.0)
    )
    remembering.on_trial_add(None, strong)
    assert [decision(remembering, strong, epoch=epoch, value=20.0) for epoch in (1, 2, 3, 4)] == ["CONTINUE"] * 4


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("epochs", [EPOCHS, 2, 6])
def test_a_trial_is_never_stopped_after_its_own_last_epoch(tmp_path, name, epochs):
    better = in_first_bracket(50.0, 50.0, 50.0, 50.0)
    comparing = scheduler(sweep(scheduler={"name": name}), epochs=EPOCHS, ended=better)
    trial = TuneTrial(directory_in(tmp_path, bracket=0), epochs=epochs)
    comparing.on_trial_add(None, trial)
    assert decision(comparing, trial, epoch=epochs - 1, value=60.0) == "CONTINUE"
    # Tune shows the last report twice.
    assert [decision(comparing, trial, epoch=epochs, value=1.0) for _ in range(2)] == ["CONTINUE"] * 2


@pytest.mark.parametrize("name", COMPARING)
def test_a_loss_is_compared_the_other_way_round(tmp_path, name):
    settings = sweep(scheduler={"name": name}, objective={"metric": "valid/loss", "direction": "minimize"})
    better = [
        replace(
            trial,
            reports=tuple(Report(r.epoch, 1, 1, 0, {"valid/loss": r.metrics["valid/bleu"]}) for r in trial.reports),
        )
        for trial in in_first_bracket(1.0, 1.1, 1.2, 1.3)
    ]
    comparing = scheduler(settings, epochs=EPOCHS, ended=better)
    weak = TuneTrial(directory_in(tmp_path, bracket=0))
    comparing.on_trial_add(None, weak)
    assert comparing.on_trial_result(None, weak, {"valid/loss": 9.0, "training_iteration": 1}) == "STOP"


def test_a_resumed_trial_stands_on_each_rung_once(tmp_path):
    left = TuneTrial(tmp_path / "t")
    history = History(left.directory)
    for epoch in (1, 2):
        history.append(report(epoch, 10.0 * epoch))
    asha = scheduler(sweep(budget={"trials": 3}), epochs=8, ended=[])
    asha.on_trial_add(None, left)
    decision(asha, left, epoch=3, value=30.0)
    rungs = asha._brackets[0]._rungs
    assert {milestone: list(recorded) for milestone, recorded in rungs if recorded} == {
        1: ["new-name"],
        2: ["new-name"],
    }


@pytest.mark.parametrize("name", COMPARING)
def test_a_report_that_the_scheduler_missed_before_the_kill_is_decided_on_when_it_is_sent_again(tmp_path, name):
    left = TuneTrial(directory_in(tmp_path, bracket=0))
    History(left.directory).append(report(1, 1.0))
    comparing = scheduler(
        sweep(scheduler={"name": name}), epochs=EPOCHS, ended=in_first_bracket(10.0, 11.0, 12.0, 13.0)
    )
    comparing.on_trial_add(None, left)
    assert decision(comparing, left, epoch=1, value=1.0) == "STOP"


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_trial_that_had_ended_when_its_launcher_was_killed_is_compared_with(tmp_path, name):
    """It tells nothing again: its result stands."""
    earlier = TuneTrial(tmp_path / "ended", trial_id="ended")
    history = History(earlier.directory)
    for epoch in (1, 2, 3, 4):
        history.append(report(epoch, 50.0))
    settings = sweep(scheduler={"name": name, **({"least_trials": 1} if name == "median" else {"grace_epochs": 4})})
    comparing = scheduler(settings, epochs=5, ended=[])
    comparing.on_trial_add(None, earlier)
    comparing.on_trial_complete(None, earlier, {})
    weak = TuneTrial(tmp_path / "weak", epochs=5)
    comparing.on_trial_add(None, weak)
    assert decision(comparing, weak, epoch=4, value=1.0) == "STOP"


def test_a_resumed_trial_counts_once_in_the_median(tmp_path):
    left = TuneTrial(tmp_path / "t")
    History(left.directory).append(report(1, 10.0))
    settings = sweep(scheduler={"name": "median", "least_trials": 1}, budget={"trials": 3})
    median = scheduler(settings, epochs=EPOCHS, ended=[])
    median.on_trial_add(None, left)
    assert decision(median, left, epoch=1, value=10.0) == "CONTINUE"
    assert len(median._results[left]) == 1


def test_median_stops_no_trial_before_enough_others_and_the_grace_period(tmp_path):
    settings = sweep(scheduler={"name": "median", "least_trials": 3, "grace_epochs": 2})
    weak = TuneTrial(tmp_path / "t")
    few = scheduler(settings, epochs=EPOCHS, ended=curves(10.0, 11.0))
    few.on_trial_add(None, weak)
    assert decision(few, weak, epoch=2, value=1.0) == "CONTINUE"
    enough = scheduler(settings, epochs=EPOCHS, ended=curves(10.0, 11.0, 12.0))
    enough.on_trial_add(None, weak)
    assert [decision(enough, weak, epoch=epoch, value=1.0) for epoch in (1, 2)] == ["CONTINUE", "STOP"]


def test_hyperband_s_last_bracket_stops_no_trial_and_a_bracket_depends_on_the_trial_s_name_alone(tmp_path):
    settings = sweep(scheduler={"name": "hyperband"})
    better = [ended(f"t{i:04d}", 50.0) for i in range(60)]
    comparing = scheduler(settings, epochs=EPOCHS, ended=better)
    stops = {}
    for bracket in (0, 1, 2):
        weak = TuneTrial(directory_in(tmp_path, bracket=bracket), trial_id=f"new-{bracket}")
        comparing.on_trial_add(None, weak)
        decisions = [decision(comparing, weak, epoch=epoch, value=1.0) for epoch in (1, 2, 3)]
        stops[bracket] = next((epoch for epoch, said in enumerate(decisions, 1) if said == "STOP"), None)
    assert stops == {0: 1, 1: 2, 2: None}


def test_hyperband_s_brackets_have_the_source_s_shares():
    counts = Counter(bracket_of(f"t{i:04d}", 3, 2) for i in range(6000))
    # Li et al. 2018: η^s / (s + 1) for s = 2, 1, 0 is 4/3 : 1 : 1.
    assert [round(counts[bracket] / 6000, 1) for bracket in range(3)] == [0.4, 0.3, 0.3]


def test_without_a_scheduler_no_trial_is_stopped(tmp_path):
    trial = TuneTrial(tmp_path / "t")
    fifo = scheduler(sweep(scheduler={"name": "none"}), epochs=EPOCHS, ended=curves(50.0, 50.0, 50.0))
    assert decision(fifo, trial, epoch=1, value=0.0) == "CONTINUE"


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "asha", "reduction_factor": 2},
        {"name": "hyperband", "reduction_factor": 2},
        {"name": "median", "least_trials": 2},
    ],
    ids=COMPARING,
)
def test_a_trial_that_is_tried_again_is_compared_once(tmp_path, settings):
    folders = [tmp_path / f"t{i:04d}" for i in range(99) if bracket_of(f"t{i:04d}", 3, 2) == 0]
    strong, weak, middling = (TuneTrial(folder, trial_id=folder.name) for folder in folders[:3])
    comparing = scheduler(sweep(scheduler=settings, budget={"trials": 6}), epochs=EPOCHS, ended=[])
    for trial, value in ((strong, 20.0), (weak, 10.0)):
        comparing.on_trial_add(None, trial)
        decision(comparing, trial, epoch=1, value=value)
    History(strong.directory).append(report(1, 20.0))
    again = replace(strong, trial_id="another-name")
    comparing.on_trial_add(None, again)
    decision(comparing, again, epoch=1, value=20.0)
    comparing.on_trial_add(None, middling)
    assert decision(comparing, middling, epoch=1, value=15.5) == "CONTINUE"
