"""Two ranks that train together report what one does alone: sums are over both, and counts divide once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.training import Optimizer
from intelligen.data.batches import SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.models.build import build_model
from intelligen.models.matmul import offers
from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.fit import fit
from intelligen.training.local_processes import in_group
from intelligen.training.matmul_choice import recorded_matmul
from intelligen.training.runtime import Runtime

SUMMED = ("train/loss", "train/gradient_norm", "valid/loss", "valid/teacher_forced_accuracy", "valid/unfinished_pct")


def train(trial: Trial, store: Path, directory: Path, *, matmul: Matmul = "mkl") -> None:
    torch.set_num_threads(1)
    runtime = Runtime(store, directory)
    fit(trial, replace(runtime, matmul=matmul if runtime.rank == 0 else "mkl"))


def without_dropout(trial: Trial) -> Trial:
    """Dropout would be each rank's own."""
    return trial.model_copy(update={"model": trial.model.model_copy(update={"dropout": 0.0})})


def test_two_ranks_report_what_one_does(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = without_dropout(tiny_trial(identity))
    training = trial.training.model_copy(update={"checkpoint_updates": 4})
    trial = trial.model_copy(update={"training": training})
    train(trial, store, tmp_path / "alone")
    # Of what computes products, too, the first rank decides for both.
    in_group(partial(train, trial, store, tmp_path / "together", matmul="onednn"), processes=2)
    assert recorded_matmul(tmp_path / "together") == ("onednn" if offers("onednn") else "mkl")
    alone, together = (read_history(tmp_path / name / HISTORY_FILE) for name in ("alone", "together"))
    assert [(one.epoch, one.update, one.target_tokens) for one in together] == [
        (one.epoch, one.update, one.target_tokens) for one in alone
    ]
    for one, two in zip(alone, together, strict=True):
        assert {name: two.metrics[name] for name in SUMMED} == pytest.approx(
            {name: one.metrics[name] for name in SUMMED}, rel=1e-4
        )


def train_frozen(trial: Trial, store: Path, path: Path) -> None:
    """Three updates of eight rows with frozen embeddings; keeps what there was before and afterwards, and moments."""
    torch.set_num_threads(1)
    prepared, runtime = open_prepared(layout.prepared(store, trial.prepared)), Runtime(store, path.parent)
    model = build_model(trial.model, prepared.vocabularies, seed=1)
    model.get_parameter("target_embedding.weight").requires_grad = False
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    strategy = build_strategy(
        trial,
        model=model,
        wrap=runtime.wrap,
        decode=prepared.tokenizer("target").decode,
        loss=build_task(trial.task).loss,
        total_updates=3,
        world_size=runtime.world_size,
    )
    loader = Loader(
        SentencePairs(prepared.split("train")),
        batch_rows=8,
        micro_batch_tokens=30,
        seed=3,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )
    for update in (1, 2, 3):
        strategy.train_step(loader.next_update(), UpdateContext(1, update, 3, runtime.rank))
    if runtime.rank == 0:
        torch.save((before, model.state_dict(), strategy.state_dict()), path)


def test_frozen_embeddings_stay_and_the_rest_learns_on_two_ranks_as_on_one(tiny_store, tmp_path):
    store, identity = tiny_store
    decaying = Optimizer(name="adamw", learning_rate=5e-3, weight_decay=0.1, clip_norm=0.1)
    trial = without_dropout(tiny_trial(identity))
    trial = trial.model_copy(update={"training": trial.training.model_copy(update={"optimizer": decaying})})
    train_frozen(trial, store, tmp_path / "1.pt")
    in_group(partial(train_frozen, trial, store, tmp_path / "2.pt"), processes=2)
    (before, after, alone), (_, _, together) = (torch.load(tmp_path / f"{ranks}.pt") for ranks in (1, 2))
    assert {name for name in before if torch.equal(before[name], after[name])} == {"target_embedding.weight"}
    # Moments and not weights: Adam makes a step of the noise in a gradient that is 0, such as that of a key's bias.
    moments = [
        [one["exp_avg"] for one in state["updater"]["optimizer"]["state"].values()] for state in (alone, together)
    ]
    assert len(moments[0]) == len(before) - 1
    torch.testing.assert_close(moments[1], moments[0], rtol=1e-3, atol=1e-6)
