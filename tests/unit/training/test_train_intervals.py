"""Training in intervals equals training at once; an exploit takes another trial's weights and optimizer alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file

from intelligen.config.schema.experiment import Trial
from intelligen.errors import StorageError
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.trial_result import SELECTED, Result
from intelligen.training.checkpoint import TRAINING, WEIGHTS, Checkpoints
from intelligen.training.fit import fit, fit_interval
from intelligen.training.runtime import Runtime
from intelligen.training.train_interval import TrainInterval

EPOCHS, UPDATES = 4, 6
HALF = 2 * UPDATES


@pytest.fixture
def trial(tiny_store: tuple[Path, str]) -> Trial:
    return with_rate(tiny_trial(tiny_store[1]), 5e-3, epochs=EPOCHS)


def with_rate(trial: Trial, rate: float, **changes: object) -> Trial:
    optimizer = trial.training.optimizer.model_copy(update={"learning_rate": rate})
    return trial.model_copy(update={"training": trial.training.model_copy(update={"optimizer": optimizer, **changes})})


def weights(directory: Path, update: int) -> dict[str, torch.Tensor]:
    return load_file(Checkpoints(directory).weights(update))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def losses(directory: Path) -> list[float]:
    return [report.metrics["valid/loss"] for report in read_history(directory / HISTORY_FILE)]


class DonorAndOther:
    """Two trials after half of their epochs: `other` goes on from the donor, at another learning rate."""

    def __init__(self, store: Path, folder: Path, trial: Trial, *, rate: float) -> None:
        self.store, self.donor, self.other = store, folder / "donor", folder / "other"
        self.began = with_rate(trial, rate)
        self.run(self.donor, trial, TrainInterval(trial, 2))
        self.run(self.other, self.began, TrainInterval(self.began, 2))
        Checkpoints(self.other).adopt(Checkpoints(self.donor), HALF)

    def run(self, directory: Path, trial: Trial, interval: TrainInterval, **callbacks: Callable) -> Result | None:
        return fit_interval(trial, Runtime(self.store, directory, **callbacks), interval)

    def go_on(self, rate: float, **callbacks: Callable) -> Result | None:
        return self.run(self.other, self.began, TrainInterval(with_rate(self.began, rate), EPOCHS, HALF), **callbacks)


@pytest.fixture
def pair(tiny_store: tuple[Path, str], trial: Trial, tmp_path: Path) -> DonorAndOther:
    return DonorAndOther(tiny_store[0], tmp_path, trial, rate=1e-5)


def test_intervals_change_nothing_by_themselves(tiny_store, trial, tmp_path):
    store, _ = tiny_store
    at_once = fit(trial, Runtime(store, tmp_path / "at-once"))
    results = [
        fit_interval(trial, Runtime(store, tmp_path / "turns"), TrainInterval(trial, epoch)) for epoch in (1, 3, EPOCHS)
    ]
    assert results == [None, None, at_once]
    assert losses(tmp_path / "turns") == losses(tmp_path / "at-once")
    assert (tmp_path / "turns" / SELECTED).read_bytes() == (tmp_path / "at-once" / SELECTED).read_bytes()


def test_it_goes_on_as_the_donor_would_under_the_new_settings_and_keeps_its_own_history(pair, trial, tmp_path):
    before = losses(pair.other)
    shutil.copytree(pair.donor, tmp_path / "copy")
    pair.run(tmp_path / "copy", trial, TrainInterval(with_rate(trial, 3e-3), EPOCHS))
    assert pair.go_on(3e-3) is not None
    assert equal(weights(pair.other, 2 * HALF), weights(tmp_path / "copy", 2 * HALF))
    assert losses(pair.other) == before + losses(tmp_path / "copy")[2:]
    rates = [report.metrics["train/learning_rate"] for report in read_history(pair.other / HISTORY_FILE)]
    assert rates[2:] == pytest.approx([3e-3, 3e-3])


@pytest.mark.parametrize("moment", [HALF + 1, HALF + UPDATES, HALF + UPDATES + 2])
def test_a_kill_after_an_exploit_changes_nothing(moment, pair, tmp_path):
    shutil.copytree(pair.other, tmp_path / "before")
    undisturbed = pair.go_on(3e-3)
    expected = weights(pair.other, 2 * HALF)
    shutil.rmtree(pair.other)
    shutil.copytree(tmp_path / "before", pair.other)

    def kill(update: int, total: int) -> None:
        if update == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair.go_on(3e-3, updated=kill)
    assert pair.go_on(3e-3) == undisturbed
    assert equal(weights(pair.other, 2 * HALF), expected)


def test_its_own_best_epoch_counts_even_where_it_exploited_another_trial_there(tiny_store, trial, tmp_path):
    pair = DonorAndOther(tiny_store[0], tmp_path, with_rate(trial, 1e-6), rate=5e-3)  # the other is the better one
    own = weights(pair.other, HALF)
    result = pair.go_on(1e-6)
    assert result is not None
    assert result.selected == f"best of {EPOCHS} epochs (update {HALF})"
    assert result.metrics["valid/loss"] == losses(pair.other)[1] == min(losses(pair.other))
    assert equal(load_file(pair.other / SELECTED), own)


def test_only_epochs_after_an_exploit_are_averaged(tiny_store, trial, tmp_path):
    averaging = with_rate(trial, 5e-3, average_last=EPOCHS)
    pair = DonorAndOther(tiny_store[0], tmp_path, averaging, rate=1e-5)
    result = pair.go_on(5e-3)
    assert result is not None
    assert Checkpoints(pair.other).latest().meta["epoch_ends"] == [HALF + UPDATES, 2 * HALF]


@pytest.mark.filterwarnings("ignore:.*damaged checkpoint set aside")
@pytest.mark.parametrize("damaged", [f"adopted/{HALF:010d}/{WEIGHTS}", f"checkpoints/{HALF:010d}/{TRAINING}"])
def test_what_is_damaged_is_not_gone_on_from(damaged, pair):
    (pair.other / damaged).write_bytes(b"damaged")
    with pytest.raises(StorageError, match="damaged"):
        pair.go_on(3e-3)


def test_taking_over_may_be_repeated_and_leaves_one_copy(pair, tiny_store, trial):
    Checkpoints(pair.other).adopt(Checkpoints(pair.donor), HALF)
    assert Checkpoints(pair.other).adopted(HALF).update == HALF
    pair.run(pair.donor, trial, TrainInterval(trial, 3))
    Checkpoints(pair.other).adopt(Checkpoints(pair.donor), HALF + UPDATES)
    assert [path.name for path in (pair.other / "adopted").iterdir()] == [f"{HALF + UPDATES:010d}"]
    with pytest.raises(StorageError, match="damaged or gone"):
        Checkpoints(pair.other).adopt(Checkpoints(pair.donor), 10**6)
