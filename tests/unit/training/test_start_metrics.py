"""The weights that trials start from are validated once by a process, and again where anything differs that counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.training import Optimizer
from intelligen.training import epoch, start_metrics
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.fit import fit
from intelligen.training.memory_shortage import Shortage
from intelligen.training.runtime import Runtime, threads_used
from intelligen.training.selected_weights import selected_weights


@pytest.fixture(scope="module")
def baseline(tiny_store: tuple[Path, str]) -> tuple[Path, Trial]:
    store, identity = tiny_store
    trial = tiny_trial(identity, seed=7)
    fit(trial, Runtime(store, store / "baselines" / trial.identity))
    return store, trial


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The updates after which a trial was validated, in a process that has begun none."""
    updates: list[int] = []
    validate = epoch.validate

    def counted(setup, *, update):
        updates.append(update)
        return validate(setup, update=update)

    monkeypatch.setattr(epoch, "validate", counted)
    start_metrics._known.clear()
    yield updates
    start_metrics._known.clear()


def finetuning(trial: Trial, learning_rate: float = 1e-3, **changes: object) -> Trial:
    training = trial.training.model_copy(
        update={"epochs": 1, "epoch_updates": 2, "optimizer": Optimizer(learning_rate=learning_rate)}
    )
    return trial.model_copy(update={"start": trial.identity, "training": training, **changes})


def start(directory: Path) -> dict[str, float]:
    latest = Checkpoints(directory).latest()
    assert latest is not None
    return latest.meta["start_metrics"]


def test_trials_that_differ_in_how_they_train_share_a_start(baseline, validated, tmp_path):
    store, trial = baseline
    fit(finetuning(trial), Runtime(store, tmp_path / "first"))
    other = finetuning(trial, 2e-3, strategy=Generative())
    fit(other, Runtime(store, tmp_path / "second"))
    assert validated == [0, 2, 2]
    start_metrics._known.clear()
    fit(other, Runtime(store, tmp_path / "alone"))
    assert validated == [0, 2, 2, 0, 2]
    assert start(tmp_path / "first") == start(tmp_path / "second") == start(tmp_path / "alone") != {}
    shared, alone = (load_file(selected_weights(tmp_path / name)) for name in ("second", "alone"))
    assert all(torch.equal(shared[name], alone[name]) for name in alone)


@pytest.mark.parametrize("what", ["seed", "batches", "weights", "threads", "products"])
def test_what_validation_follows_from_is_measured_anew(baseline, validated, tmp_path, what):
    store, trial = baseline
    fit(finetuning(trial), Runtime(store, tmp_path / "first"))
    changed, runtime = finetuning(trial), Runtime(store, tmp_path / "second")
    if what == "seed":
        changed = finetuning(trial, seed=8)
    elif what == "batches":
        changed = finetuning(trial, decoding=trial.decoding.model_copy(update={"batch_tokens": 40}))
    elif what == "weights":
        longer = trial.model_copy(update={"training": trial.training.model_copy(update={"epochs": 1})})
        fit(longer, Runtime(store, store / "baselines" / longer.identity))
        validated.remove(6)
        changed = finetuning(longer)
    elif what == "products":
        runtime = Runtime(store, tmp_path / "second", matmul="onednn")
    with threads_used(2 if what == "threads" else 1):
        fit(changed, runtime)
    assert validated == [0, 2, 0, 2]


def test_a_start_for_which_memory_was_short_is_measured_by_each_trial(baseline, validated, tmp_path, monkeypatch):
    store, trial = baseline
    measure = epoch.validate

    def short(setup, *, update):
        if update == 0:
            setup.memory.bound_evaluation(40, since=0, shortage=Shortage("out of memory", None))
        return measure(setup, update=update)

    monkeypatch.setattr(epoch, "validate", short)
    fit(finetuning(trial), Runtime(store, tmp_path / "first"))
    fit(finetuning(trial), Runtime(store, tmp_path / "second"))
    assert validated == [0, 2, 0, 2]
