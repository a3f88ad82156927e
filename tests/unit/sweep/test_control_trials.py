"""Own controls are trained after the search, once at each point, with a ratio that the ledger keeps for good."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import sweep

from intelligen.config.load import apply_settings
from intelligen.config.schema.experiment import Experiment, Trial, finetuning_trial
from intelligen.config.schema.single_strategies import StandardMatched
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger, TrialState
from intelligen.state.trial_result import claim_directory
from intelligen.sweep import control_trials
from intelligen.sweep.budget_account import Account
from intelligen.sweep.control_trials import control_trials_left, train_control_trials
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.stages import is_finished, require_no_late_search
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import reopen_failed

EXPERIMENT = Experiment(version=1, name="e")
RATE = "finetuning.optimizer.learning_rate"
FINGERPRINT = {"sweep_id": "0"}
DEAR_S, PLAIN_S = 9.0, 4.0
OWN = "generative_matched"


def launch(ledger: Ledger, directory: Path, settings: Sweep) -> SweepContext:
    return SweepContext(settings, EXPERIMENT, DataOfRows("x"), directory.parents[1], directory, ledger)


def measured(bleu: float, processor_s: float, *, epoch: int = 1) -> Report:
    # Epochs of all trials take as long: what runs beside them on the machine is not the same.
    times = {"time/epoch_s": 20.0, "time/validation_s": 1.0, "cost/processor_s": processor_s}
    memory = {"gpu/count": 0.0, "cpu/memory_avg_mib": 1.0, "cpu/memory_peak_mib": 1.0}
    return Report(epoch, epoch, epoch, 0, {"valid/bleu": bleu, **times, **memory})


def add(run: SweepContext, number: int, row: str, rate: float, bleu: float, **options: Any) -> None:
    """A trial of the search that has ended."""
    name, own = f"t{number:04d}", {"generative/probability.start": 0.1 + 0.05 * number} if row == "generative" else {}
    params = {RATE: rate, "strategy": row, **own}
    changes = {RATE: rate, "strategy.name": row}
    trial = finetuning_trial(apply_settings(EXPERIMENT, changes), prepared="x", start="y")
    directory = run.directory / "trials" / name
    claim_directory(directory, trial)
    History(directory).append(measured(bleu, options.pop("processor_s", DEAR_S if own else PLAIN_S)))
    run.ledger.start(
        name,
        kind="trial",
        row=row,
        seed=trial.seed,
        params=params,
        config=trial.model_dump(mode="json"),
        directory=f"trials/{name}",
        number=number,
    )
    run.ledger.finish(name, options.get("state", TrialState.PRUNED), "it ended")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "s"


@pytest.fixture
def ledger(directory: Path) -> Iterator[Ledger]:
    with Ledger.open(directory, FINGERPRINT) as ledger:
        yield ledger


@pytest.fixture
def searched(directory: Path, ledger: Ledger) -> SweepContext:
    """A sweep that has searched: two of the costly strategy's trials differ in nothing but the strategy's settings."""
    run = launch(ledger, directory, sweep(controls="own", budget={"trials_per_strategy": 3}))
    add(run, 0, "standard", 1e-4, 20.0)
    add(run, 1, "generative", 2e-4, 21.0, processor_s=50.0)
    add(run, 2, "standard", 3e-4, 30.0)
    add(run, 3, "generative", 4e-4, 25.0)
    add(run, 4, "standard", 4e-4, 10.0)
    add(run, 5, "generative", 4e-4, 99.0, state=TrialState.FAILED)
    return run


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Trial]:
    """The control trials that a launch begins, in their order; nothing trains them."""
    begun: dict[str, Trial] = {}

    def begin(context: SweepContext, trials: dict[str, Any], **options: object) -> None:
        for name, one in trials.items():
            begun[name] = Trial.model_validate_json(one()["trial"])

    monkeypatch.setattr(control_trials, "run_fixed_trials", begin)
    return begun


def test_each_point_of_the_strategy_has_one_control_trial_that_differs_in_the_strategy_alone(
    searched: SweepContext, trained: dict[str, Trial]
) -> None:
    train_control_trials(searched)
    assert list(trained) == [f"{OWN}-t0001", f"{OWN}-t0003"]
    for name, trial in trained.items():
        record = searched.ledger.trials[name]
        theirs = searched.ledger.trials[str(record.matches)]
        changed = {key for key in theirs.config if theirs.config[key] != record.config[key]}
        assert (record.row, record.seed, changed) == (OWN, theirs.seed, {"strategy"})
        assert record.params == {"strategy": OWN, RATE: theirs.params[RATE]}
        assert trial.training.optimizer.learning_rate == theirs.params[RATE]


def test_the_ratio_is_that_of_processor_seconds_of_the_strategys_best_trial(
    searched: SweepContext, trained: dict[str, Trial]
) -> None:
    train_control_trials(searched)
    assert searched.updates_ratios == {OWN: DEAR_S / PLAIN_S}
    assert {trial.strategy for trial in trained.values()} == {StandardMatched(updates_ratio=DEAR_S / PLAIN_S)}


def test_the_ratio_stays_what_it_was_when_the_sweep_is_resumed(
    searched: SweepContext, trained: dict[str, Trial], directory: Path
) -> None:
    train_control_trials(searched)
    History(directory / "trials" / "t0003").append(measured(90.0, 100.0, epoch=2))
    searched.ledger.close()
    with Ledger.open(directory, FINGERPRINT) as again:
        run = launch(again, directory, searched.sweep)
        trained.clear()
        train_control_trials(run)
        assert again.updates_ratios == {(OWN, "t0003"): DEAR_S / PLAIN_S}
        assert [trial.strategy for trial in trained.values()] == [StandardMatched(updates_ratio=DEAR_S / PLAIN_S)] * 2
        assert [again.trials[name].attempts for name in trained] == [2, 2]


def test_a_sweep_is_finished_once_its_controls_are_trained(searched: SweepContext, trained: dict[str, Trial]) -> None:
    searched.ledger.close_sweep("complete", {})  # type: ignore[arg-type]
    assert [one.id for one in control_trials_left(searched)] == [f"{OWN}-t0001", f"{OWN}-t0003"]
    assert not is_finished(searched)
    train_control_trials(searched)
    for name in trained:
        searched.ledger.finish(name, TrialState.PRUNED, "it ended")
    assert control_trials_left(searched) == []


def test_control_trials_are_none_of_those_that_the_budget_is_for(
    searched: SweepContext, trained: dict[str, Trial], directory: Path
) -> None:
    train_control_trials(searched)
    bounds = sweep(controls="own", budget={"target_tokens_per_strategy": 1}).budget
    account = Account(bounds, searched.ledger, directory, searching=False)
    assert account.spent("generative") is not None
    assert account.spent(OWN) is None
    require_no_late_search(searched)


def test_with_a_ratio_the_search_is_over_and_its_failed_trials_stay_failed(
    searched: SweepContext, trained: dict[str, Trial], directory: Path
) -> None:
    train_control_trials(searched)
    assert reopen_failed(searched) == ([], {})
    more = launch(searched.ledger, directory, sweep(controls="own", budget={"trials_per_strategy": 4}))
    with pytest.raises(ChangedError, match="the ratios of its controls are fixed, so its search has ended"):
        require_no_late_search(more)


def test_a_strategy_without_a_trial_that_counts_has_no_control(directory: Path, ledger: Ledger) -> None:
    run = launch(ledger, directory, sweep(controls="own"))
    add(run, 0, "standard", 1e-4, 20.0)
    add(run, 1, "generative", 2e-4, 21.0, state=TrialState.FAILED)
    assert control_trials_left(run) == []
