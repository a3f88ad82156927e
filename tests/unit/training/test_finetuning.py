"""`fit` from a baseline: the start is measured, unhealthy trials stop, the guard goes back to good weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.single_strategies import Recurrent, Standard, StandardMatched
from intelligen.config.schema.strategies import Strategy
from intelligen.config.schema.strategy_mixture import Guard, Intelligen, Static, Weights
from intelligen.config.schema.training import Health, Optimizer
from intelligen.errors import StorageError
from intelligen.evaluation.sacrebleu_metrics import ChrF
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_result import read_result
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.fit import fit
from intelligen.training.health import unhealthy_reason
from intelligen.training.runtime import Runtime
from intelligen.training.selected_weights import selected_weights
from intelligen.training.trained_model import TrainedModel

NO_HEALTH_CHECK = Health(patience=None)
# All of the start's distinct bigrams and no drift allowed: with a harmful rate, a sign holds in every epoch.
STRICT = Health(patience=2, length_drift=1e-6, least_distinct=1.0)
HARMFUL = Optimizer(learning_rate=0.3)


@pytest.fixture(scope="module")
def baseline(tiny_store: tuple[Path, str]) -> tuple[Path, Trial]:
    store, identity = tiny_store
    trial = tiny_trial(identity)
    fit(trial, Runtime(store, store / "baselines" / trial.identity))
    return store, trial


def finetuning(baseline: Trial, strategy: Strategy, **training: object) -> Trial:
    changed = baseline.training.model_copy(update=training)
    return baseline.model_copy(update={"start": baseline.identity, "strategy": strategy, "training": changed})


def checkpoint(directory: Path) -> dict:
    latest = Checkpoints(directory).latest()
    assert latest is not None
    return latest.meta


def test_the_weights_that_a_finetuning_starts_from_are_measured(baseline, tmp_path):
    store, trial = baseline
    fit(finetuning(trial, Standard(), epochs=1, epoch_updates=1), Runtime(store, tmp_path))
    measured = checkpoint(tmp_path)["start_metrics"]
    result = read_result(store / "baselines" / trial.identity)
    assert result is not None
    assert measured == pytest.approx(result.metrics)


def test_a_training_from_random_weights_has_no_start_to_be_compared_with(baseline):
    store, trial = baseline
    assert checkpoint(store / "baselines" / trial.identity)["start_metrics"] == {}


def test_the_compute_matched_control_makes_so_many_times_the_updates_of_an_epoch(baseline, tmp_path):
    store, trial = baseline
    fit(finetuning(trial, StandardMatched(updates_ratio=2.5), epochs=2, epoch_updates=4), Runtime(store, tmp_path))
    assert [report.update for report in read_history(tmp_path / HISTORY_FILE)] == [10, 20]


def test_an_epoch_costs_the_seconds_of_training_and_validation(baseline, tmp_path):
    store, trial = baseline
    fit(finetuning(trial, Standard(), epochs=1, epoch_updates=1), Runtime(store, tmp_path))
    (report,) = read_history(tmp_path / HISTORY_FILE)
    seconds = report.metrics["time/epoch_s"] + report.metrics["time/validation_s"]
    assert report.metrics["cost/device_s"] == pytest.approx(seconds)
    assert report.metrics["cost/processor_s"] > 0


def test_an_unhealthy_finetuning_stops_early_with_its_reason_and_keeps_its_best_epoch(baseline, tmp_path):
    store, trial = baseline
    strict = STRICT.model_copy(update={"patience": 1})
    unhealthy = finetuning(trial, Recurrent(), epochs=6, epoch_updates=4, optimizer=HARMFUL, health=strict)
    result = fit(unhealthy, Runtime(store, tmp_path))
    assert not result.healthy
    assert result.stop_reason.startswith("sick: ")
    assert len(read_history(tmp_path / HISTORY_FILE)) < 6
    assert "valid/loss" in result.metrics
    assert fit(unhealthy, Runtime(store, tmp_path)) == result


@pytest.fixture
def harmful(baseline: tuple[Path, Trial]) -> Trial:
    """A mixture that only does harm, under a guard of two strikes."""
    mixture = Intelligen(
        policy=Static(weights=Weights(standard=0.5, recurrent=0.5)), guard=Guard(drop=0.05, patience=2)
    )
    return finetuning(baseline[1], mixture, epochs=3, epoch_updates=4, optimizer=HARMFUL, health=NO_HEALTH_CHECK)


def stop_after(epoch: int, reports: list[Report]) -> Callable[[Report], None]:
    def stop(report: Report) -> None:
        reports.append(report)
        if report.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def weights_after_standing_still(trial: Trial, store: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the next epoch begins with: its updates have a learning rate of 0."""
    monkeypatch.setattr("intelligen.optimization.updater.learning_rate", lambda *_, **__: 0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, directory, report=stop_after(checkpoint(directory)["epoch"] + 1, [])))
    return Checkpoints(directory).weights(checkpoint(directory)["update"])


def alike(first: Path, second: Path) -> bool:
    ours, theirs = load_file(first), load_file(second)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_mixture_that_does_harm_from_the_beginning_goes_back_to_the_baseline(
    baseline, harmful, tmp_path, monkeypatch
):
    store, trial = baseline
    with pytest.raises(KeyboardInterrupt):
        fit(harmful, Runtime(store, tmp_path, report=stop_after(2, [])))
    assert checkpoint(tmp_path)["rolled_back_epoch"] == 2

    begun_with = weights_after_standing_still(harmful, store, tmp_path, monkeypatch)
    assert alike(begun_with, selected_weights(store / "baselines" / trial.identity))
    third = read_history(tmp_path / HISTORY_FILE)[2]
    assert third.metrics["train/guard_mass"] == 0.5
    latest = Checkpoints(tmp_path).latest()
    assert latest is not None
    moments = latest.training_state()["updater"]["optimizer"]["state"]
    assert {int(moment["step"]) for moment in moments.values()} == {4}, "the moments of weights that were left are gone"


def test_a_mixture_that_does_harm_later_goes_back_to_its_best_epoch(baseline, harmful, tmp_path, monkeypatch):
    store, _ = baseline
    gentle = harmful.training.model_copy(update={"optimizer": Optimizer(learning_rate=2e-3), "epochs": 4})
    trial = harmful.model_copy(update={"training": gentle})
    reports: list[Report] = []
    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path, report=stop_after(1, reports)))
    monkeypatch.setattr("intelligen.optimization.updater.learning_rate", lambda *_, **__: 0.3)
    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path, report=stop_after(3, reports)))
    assert reports[0].metrics["valid/loss"] < reports[2].metrics["valid/loss"]

    begun_with = weights_after_standing_still(trial, store, tmp_path, monkeypatch)
    assert alike(begun_with, Checkpoints(tmp_path).weights(reports[0].update))


def test_the_result_is_of_the_selected_weights_though_the_guard_went_back(baseline, harmful, tmp_path):
    """Each epoch is worse than the start, so each is followed by a roll-back; the best of them is the result."""
    store, _ = baseline
    strict = harmful.strategy.model_copy(update={"guard": Guard(drop=0.05, patience=1)})
    result = fit(harmful.model_copy(update={"strategy": strict}), Runtime(store, tmp_path))
    assert checkpoint(tmp_path)["rolled_back_epoch"] == 3
    tested = TrainedModel.load(tmp_path, store=store, device=torch.device("cpu"))
    scored = tested.score("valid", search=harmful.decoding.validation)
    assert scored.evaluation.metrics["loss"] == pytest.approx(result.metrics["valid/loss"])


def test_a_run_that_is_killed_after_it_went_back_does_not_go_back_again(baseline, harmful, tmp_path):
    store, _ = baseline
    training = harmful.training.model_copy(update={"epochs": 2, "checkpoint_updates": 1})
    strict = harmful.strategy.model_copy(update={"guard": Guard(drop=0.05, patience=1)})
    trial = harmful.model_copy(update={"strategy": strict, "training": training})

    def kill(update: int, _: int) -> None:
        if update == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path / "killed", updated=kill))
    begun = checkpoint(tmp_path / "killed")
    assert (begun["rolled_back_epoch"], begun["epoch"], begun["update"]) == (1, 1, 6)
    for name in ("killed", "undisturbed"):
        fit(trial, Runtime(store, tmp_path / name))
    assert alike(*(Checkpoints(tmp_path / name).weights(8) for name in ("killed", "undisturbed")))


def test_signs_from_before_a_roll_back_make_no_trial_unhealthy(baseline, harmful, tmp_path):
    store, _ = baseline
    training = harmful.training.model_copy(update={"epochs": 2, "health": STRICT})
    result = fit(harmful.model_copy(update={"training": training}), Runtime(store, tmp_path))
    assert checkpoint(tmp_path)["rolled_back_epoch"] == 2
    epochs = [report.metrics for report in read_history(tmp_path / HISTORY_FILE)]
    start = checkpoint(tmp_path)["start_metrics"]
    assert unhealthy_reason(STRICT, start, epochs, watched=ChrF(), strategy=harmful.strategy) is not None
    assert result.healthy
    assert result.stop_reason == "finished"


def test_a_damaged_checkpoint_to_roll_back_to_is_named(tmp_path):
    with pytest.raises(StorageError, match="roll back to is damaged or gone"):
        Checkpoints(tmp_path).at(7)
