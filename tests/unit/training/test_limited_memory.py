"""A training whose memory does not suffice goes on in smaller parts, and learns what it would have learnt."""

import re
import resource
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus
from limited_fit import limited_fit

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.single_strategies import Discriminator, SeqGan, Standard
from intelligen.data.preparation import prepare
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.memory_bounds import MEMORY_FILE, MEMORY_TAG, MemoryBounds
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.fit import fit
from intelligen.training.local_processes import in_group
from intelligen.training.memory_allocator import return_freed_memory
from intelligen.training.replay import Recorded, replay
from intelligen.training.runtime import Runtime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")

UPDATES = 4
PADDED = 2800
"""Tokens of an update: all of the corpus, its 400 rows by the longest."""
TENSOR = PADDED * 12288 * 4
"""Bytes of the feed-forward units of an update in `wide`, of which it holds four at a time: 131 MiB.

Those of either half are larger than what the C library keeps when it is freed (32 MiB).
"""
THREE = 3 * TENSOR
"""Room for half an update, which takes two, and not for a whole one; what else a training takes varies by 25 MiB."""
SEQGAN = SeqGan(
    discriminator=Discriminator(pretraining_updates=1, d_ff=16, layers=1),
    mle_ratio=0.0,
    max_length=4,
    completions=1,
    cut_points=1,
)


def wide(
    prepared: str,
    *,
    updates: int = UPDATES,
    dropout: float = 0.0,
    strategy: Standard | SeqGan | None = None,
    share: int = 1,
    by_row: bool = False,
) -> Trial:
    """Updates whose feed-forward units take nearly all that a training takes, over `share` ranks as much on each."""
    trial = tiny_trial(prepared)
    training = trial.training.model_copy(
        update={
            "batch_tokens": PADDED,
            "epochs": 1,
            "epoch_updates": updates,
            "checkpoint_updates": 1,
            "dropout_by_row": by_row,
        }
    )
    model = Seq2Seq(
        d_model=8, d_ff=12288 * share, heads=2, encoder_layers=1, decoder_layers=1, dropout=dropout, max_positions=64
    )
    return trial.model_copy(update={"training": training, "model": model, "strategy": strategy or Standard()})


def as_if_told(store: Path, directory: Path, into: Path) -> bool:
    """Whether a training that has the bounds beforehand ends with the same bits."""
    into.mkdir()
    recorded = Recorded.read(directory, store=store)
    assert recorded.changes == ()
    return replay(recorded, into).identical


@pytest.mark.parametrize(
    ("after", "what", "by_row"),
    [
        (0, "the longest update", True),
        pytest.param(0, "the longest update", False, marks=pytest.mark.extended),
        pytest.param(1, "update 2", True, marks=pytest.mark.extended),
        pytest.param(1, "update 2", False, marks=pytest.mark.extended),
    ],
)
def test_what_does_not_fit_is_trained_in_halves_and_comes_to_the_same(tiny_store, tmp_path, after, what, by_row):
    """With masks of dropout by row, or without dropout."""
    store, identity = tiny_store
    trial = wide(identity, updates=after + 1, dropout=0.1 * by_row, by_row=by_row)
    said = limited_fit(trial, store, tmp_path / "t", after=after, extra=THREE)
    assert said.startswith(f"out of memory in {what}: ")
    assert said.endswith(f"; goes on from update {after} in parts of at most 1,400 tokens, where the largest had 2,800")
    (bound,) = MemoryBounds.read(tmp_path / "t").entries
    assert (bound.since_update, bound.micro_batch_tokens, bound.evaluation_tokens) == (after, PADDED // 2, None)
    assert (bound.bytes_asked or 0) >= TENSOR > (bound.bytes_free or TENSOR)
    fit(trial, Runtime(store, tmp_path / "free"))
    (whole,), (parts,) = (read_history(tmp_path / name / HISTORY_FILE) for name in ("free", "t"))
    assert (MEMORY_TAG in whole.tags, parts.tags[MEMORY_TAG]) == (False, "1400")
    compared = ("train/loss", "train/gradient_norm", "valid/loss")
    assert [parts.metrics[name] for name in compared] == pytest.approx(
        [whole.metrics[name] for name in compared], rel=1e-5
    )
    assert parts.target_tokens == whole.target_tokens
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")


@pytest.mark.extended
def test_a_discriminator_learns_each_update_once_where_training_goes_on_in_smaller_parts(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = wide(identity, dropout=0.1, strategy=SEQGAN)
    assert "out of memory in update 3: " in limited_fit(trial, store, tmp_path / "t", after=2, extra=THREE)
    assert MemoryBounds.read(tmp_path / "t").micro_batch_tokens(2) is None
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")
    states = [Checkpoints(tmp_path / name).at(UPDATES).training_state()["objective"] for name in ("t", "told")]
    assert [(one["judge"]["turns"], one["adversarial_updates"]) for one in states] == [(UPDATES, UPDATES - 1)] * 2
    weights = [one["judge"]["discriminator"] for one in states]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.extended
def test_a_training_that_is_killed_before_it_goes_on_in_smaller_parts_goes_on_so_when_it_is_started_again(
    tiny_store, tmp_path
):
    store, identity = tiny_store
    trial = wide(identity, dropout=0.1)
    with pytest.raises(EOFError):
        limited_fit(trial, store, tmp_path / "t", after=2, extra=THREE, dies=True)
    bounds = MemoryBounds.read(tmp_path / "t")
    assert bounds.entries[0].since_update == Checkpoints(tmp_path / "t").newest_update == 2
    assert limited_fit(trial, store, tmp_path / "t") == ""
    assert MemoryBounds.read(tmp_path / "t") == bounds
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")


@pytest.mark.extended
def test_a_row_that_does_not_fit_by_itself_is_named_in_one_line(tmp_path):
    """Of 400 words, whose units take as much by themselves as a quarter of an update above."""
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=8, held_out=2)
    for name in ("train.en", "train.de"):
        with (tmp_path / "corpus" / name).open("a") as file:
            file.write("ape " * 400 + "\n")
    data = tiny_data(tmp_path / "corpus").model_copy(update={"max_tokens": 900})
    identity = prepare(data, tmp_path / "store", columns=SOURCE_AND_TARGET).identity
    trial = wide(identity)
    trial = trial.model_copy(update={"model": trial.model.model_copy(update={"max_positions": 1000})})
    said = limited_fit(trial, tmp_path / "store", tmp_path / "t", after=1, extra=2**25)
    *before, last = said.splitlines()
    assert re.fullmatch(
        r"out of memory: not even a row of [\d,]+ tokens fits by itself: [\d,]+ bytes were asked for, [\d,]+ were free",
        last,
    )
    assert all("goes on from update" in line for line in before)


def train_as_one_of_two(trial: Trial, store: Path, directory: Path, *, limited: bool) -> None:
    """Rank 1 is limited after two updates, in its first attempt, to what half of its rows take."""
    torch.set_num_threads(1)
    runtime = Runtime(store, directory)

    def updated(update: int, _: int) -> None:
        if (update, runtime.rank, limited) == (2, 1, True) and not (directory / MEMORY_FILE).exists():
            return_freed_memory()
            most = psutil.Process().memory_info().vms + THREE
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def noted(line: str) -> None:
        (directory / f"noted-by-{runtime.rank}").write_text(line)

    fit(trial, replace(runtime, updated=updated, noted=noted))


@pytest.mark.extended
def test_where_one_of_two_ranks_runs_out_of_memory_both_go_on_in_smaller_parts(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = wide(identity, share=2)
    for name in ("free", "t"):
        in_group(partial(train_as_one_of_two, trial, store, tmp_path / name, limited=name == "t"), processes=2)
    bounds = MemoryBounds.read(tmp_path / "t")
    assert [(one.since_update, one.micro_batch_tokens) for one in bounds.entries] == [(2, PADDED // 4)]
    assert (tmp_path / "t" / "noted-by-1").read_text().startswith("out of memory in update 3: ")
    assert "another process of this trial ran out of memory" in (tmp_path / "t" / "noted-by-0").read_text()
    (whole,), (parts,) = (read_history(tmp_path / name / HISTORY_FILE) for name in ("free", "t"))
    assert parts.metrics["valid/loss"] == pytest.approx(whole.metrics["valid/loss"], rel=1e-5)
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")
