"""Weights of chosen epochs are kept whole beside the checkpoints, through kills and resumes."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file
from torch import nn

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.training import Schedule
from intelligen.data.prepared_data import open_prepared
from intelligen.errors import DataError, StorageError
from intelligen.state import layout
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.fit import fit
from intelligen.training.kept_weights import keep_weights, kept_epochs, kept_weights
from intelligen.training.runtime import Runtime

KILLED_BEFORE_THE_CHECKPOINT = """
import os, signal, sys
from pathlib import Path
import torch
from intelligen.config.schema.experiment import Trial
from intelligen.training import epoch
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
torch.set_num_threads(1)
store, directory = Path(sys.argv[1]), Path(sys.argv[2])
epoch.save = lambda setup, progress, report: os.kill(os.getpid(), signal.SIGKILL)
fit(Trial.model_validate_json(sys.argv[3]), Runtime(store, directory))
"""


def with_training(trial: Trial, **changes: object) -> Trial:
    return trial.model_copy(update={"training": trial.training.model_copy(update=changes)})


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(3, 2)


def test_kept_weights_stay_where_checkpoints_go(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), epochs=5, epoch_updates=2, keep_epochs=(1, 3))
    fit(trial, Runtime(store, tmp_path / "t"))
    assert kept_epochs(tmp_path / "t") == [1, 3]
    assert not Checkpoints(tmp_path / "t").weights(2).exists()
    (first, third) = (kept_weights(tmp_path / "t", epoch) for epoch in (1, 3))
    assert (first.update, third.update) == (2, 6)
    assert first.vocabularies == open_prepared(layout.prepared(store, identity)).vocabulary_hashes
    assert set(first.vocabularies) == {"source", "target"}
    shorter = with_training(trial, epochs=3, keep_epochs=None)
    fit(shorter, Runtime(store, tmp_path / "shorter"))
    weights = load_file(Checkpoints(tmp_path / "shorter").weights(6))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_file(third.path).items())


def test_a_kill_before_the_checkpoint_leads_to_the_same_bytes(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), epochs=1, keep_epochs=(1,))
    fit(trial, Runtime(store, tmp_path / "undisturbed"))
    command = [sys.executable, "-c", KILLED_BEFORE_THE_CHECKPOINT, store, tmp_path / "killed", trial.model_dump_json()]
    process = subprocess.run(command, env=os.environ, check=False)
    assert process.returncode == -signal.SIGKILL
    undisturbed, killed = (kept_weights(tmp_path / name, 1) for name in ("undisturbed", "killed"))
    assert killed.sha256 == undisturbed.sha256
    killed.path.write_bytes(b"half of it")
    fit(trial, Runtime(store, tmp_path / "killed"))
    assert kept_weights(tmp_path / "killed", 1) == killed


def test_an_epoch_that_was_not_kept_is_refused_with_those_that_were(model, tmp_path):
    with pytest.raises(DataError, match=r"has not kept the weights of epoch 40; it has none: name epochs in training"):
        kept_weights(tmp_path, 40)
    for epoch in (20, 60):
        keep_weights(tmp_path, epoch=epoch, update=epoch, model=model, vocabularies={})
    with pytest.raises(DataError, match=r"has not kept the weights of epoch 40; it has those of 20, 60$"):
        kept_weights(tmp_path, 40)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("damage", ["bit", "truncation", "absence"])
def test_damaged_weights_are_not_taken_for_whole_ones(model, tmp_path, suffix, damage):
    kept = keep_weights(tmp_path, epoch=20, update=7, model=model, vocabularies={"text": "ab"})
    assert kept_weights(tmp_path, 20) == kept
    file = kept.path.with_suffix(f".{suffix}")
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "truncation":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.unlink()
    # Without the record that is written last they were never kept: a kill came before.
    absent = suffix == "json" and damage == "absence"
    with pytest.raises(DataError if absent else StorageError, match="not kept" if absent else "restore it from a copy"):
        kept_weights(tmp_path, 20)


def test_the_weights_at_a_cycle_s_end_are_those_of_a_training_of_so_many_epochs(tiny_store, tmp_path):
    store, identity = tiny_store
    schedule = Schedule(name="linear", warmup_ratio=0.1)
    by_rows = {"epoch_updates": None, "batch_tokens": None, "batch_rows": 50}
    alone = with_training(tiny_trial(identity), **by_rows, schedule=schedule, keep_epochs=(2,))
    cycles = Schedule(name="linear", warmup_ratio=0.1, cycle_epochs=2)
    fit(alone, Runtime(store, tmp_path / "alone"))
    fit(with_training(alone, epochs=4, schedule=cycles), Runtime(store, tmp_path / "cycles"))
    assert kept_weights(tmp_path / "cycles", 2).sha256 == kept_weights(tmp_path / "alone", 2).sha256
    assert kept_weights(tmp_path / "alone", 2).update == 16, "two passes over 400 rows"
    fit(with_training(alone, epochs=4), Runtime(store, tmp_path / "longer"))
    assert kept_weights(tmp_path / "longer", 2).sha256 != kept_weights(tmp_path / "alone", 2).sha256
