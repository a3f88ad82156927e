"""Two ranks that train together report what one does alone: sums are over both, and counts divide once."""

from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.experiment import Trial
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.training.fit import fit
from intelligen.training.local_processes import in_group
from intelligen.training.runtime import Runtime

SUMMED = ("train/loss", "train/gradient_norm", "valid/loss", "valid/teacher_forced_accuracy", "valid/unfinished_pct")


def train(trial: Trial, store: Path, directory: Path) -> None:
    torch.set_num_threads(1)
    fit(trial, Runtime(store, directory))


def test_two_ranks_report_what_one_does(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = tiny_trial(identity)
    # Dropout would be each rank's own.
    model = trial.model.model_copy(update={"dropout": 0.0})
    training = trial.training.model_copy(update={"checkpoint_updates": 4})
    trial = trial.model_copy(update={"model": model, "training": training})
    train(trial, store, tmp_path / "alone")
    in_group(partial(train, trial, store, tmp_path / "together"), processes=2)
    alone, together = (read_history(tmp_path / name / HISTORY_FILE) for name in ("alone", "together"))
    assert [(one.epoch, one.update, one.target_tokens) for one in together] == [
        (one.epoch, one.update, one.target_tokens) for one in alone
    ]
    for one, two in zip(alone, together, strict=True):
        assert {name: two.metrics[name] for name in SUMMED} == pytest.approx(
            {name: one.metrics[name] for name in SUMMED}, rel=1e-4
        )
