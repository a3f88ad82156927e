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
from conftest import tiny_trial
from limited_fit import limited_fit

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.single_strategies import Discriminator, SeqGan, Standard
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
    d_ff: int,
    batch_tokens: int = 1100,
    dropout: float = 0.0,
    strategy: Standard | SeqGan | None = None,
) -> Trial:
    """Updates of some 160 rows, whose activations take most of what a training takes.

    Of 8,192 units the tensors are too large for the C library to keep when they are freed: so a limit that comes later
    finds the memory of earlier updates returned.
    """
    trial = tiny_trial(prepared)
    training = trial.training.model_copy(
        update={"batch_tokens": batch_tokens, "epochs": 1, "epoch_updates": UPDATES, "checkpoint_updates": 1}
    )
    model = Seq2Seq(
        d_model=16, d_ff=d_ff, heads=2, encoder_layers=1, decoder_layers=1, dropout=dropout, max_positions=64
    )
    return trial.model_copy(update={"training": training, "model": model, "strategy": strategy or Standard()})


def as_if_told(store: Path, directory: Path, into: Path) -> bool:
    """Whether a training that has the bounds beforehand ends with the same bits."""
    into.mkdir()
    recorded = Recorded.read(directory, store=store)
    assert recorded.changes == ()
    return replay(recorded, into).identical


# Extended: what a training takes differs by some 25 MiB from run to run, and one in ten finds room where it should not.
@pytest.mark.extended
@pytest.mark.parametrize(
    ("after", "what", "d_ff"),
    # Before the first update the longest rows are tried, without the optimizer's moments: they may just fit then.
    [(0, "(the longest update|update [12]):", 4096), (2, "update ", 8192)],
)
def test_what_does_not_fit_is_trained_in_halves_and_comes_to_the_same(tiny_store, tmp_path, after, what, d_ff):
    store, identity = tiny_store
    trial = wide(identity, d_ff=d_ff)
    free = limited_fit(trial, store, tmp_path / "free")
    limited = limited_fit(
        trial, store, tmp_path / "t", after=after, extra=free.between(0.6 if after else 0.75, after=after)
    )
    assert free.said == ""
    assert re.search(f"out of memory in {what}", limited.said)
    bound = MemoryBounds.read(tmp_path / "t").entries[-1]
    assert f"goes on from update {bound.since_update} in parts of at most " in limited.said
    assert bound.since_update >= after
    assert bound.micro_batch_tokens is not None
    assert None not in (bound.bytes_asked, bound.bytes_free)
    (whole,), (parts,) = (read_history(tmp_path / name / HISTORY_FILE) for name in ("free", "t"))
    assert (MEMORY_TAG in whole.tags, parts.tags[MEMORY_TAG]) == (False, str(bound.micro_batch_tokens))
    compared = ("train/loss", "train/gradient_norm", "valid/loss")
    assert [parts.metrics[name] for name in compared] == pytest.approx(
        [whole.metrics[name] for name in compared], rel=1e-5
    )
    assert parts.target_tokens == whole.target_tokens
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")


@pytest.mark.extended
def test_a_discriminator_learns_each_update_once_where_training_goes_on_in_smaller_parts(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = wide(identity, d_ff=8192, dropout=0.1, strategy=SEQGAN)
    free = limited_fit(trial, store, tmp_path / "free")
    limited = limited_fit(trial, store, tmp_path / "t", after=2, extra=free.between(0.6, after=2))
    assert "out of memory in update " in limited.said
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
    trial = wide(identity, d_ff=8192, dropout=0.1)
    free = limited_fit(trial, store, tmp_path / "free")
    with pytest.raises(EOFError):
        limited_fit(trial, store, tmp_path / "t", after=2, extra=free.between(0.6, after=2), dies=True)
    bounds = MemoryBounds.read(tmp_path / "t")
    assert bounds.entries[0].since_update == Checkpoints(tmp_path / "t").newest_update >= 2
    assert limited_fit(trial, store, tmp_path / "t").said == ""
    assert MemoryBounds.read(tmp_path / "t") == bounds
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")


@pytest.mark.extended
def test_a_training_that_fits_in_no_parts_ends_with_one_line(tiny_store, tmp_path):
    store, identity = tiny_store
    limited = limited_fit(wide(identity, d_ff=4096), store, tmp_path / "t", after=2, extra=2**20)
    assert limited.said.splitlines()[-1].startswith("out of memory: ")


def train_as_one_of_two(trial: Trial, store: Path, directory: Path, *, limited: bool) -> None:
    """Rank 1 is limited after two updates, in its first attempt, to what half of its rows take."""
    torch.set_num_threads(1)
    runtime = Runtime(store, directory)

    def updated(update: int, _: int) -> None:
        if (update, runtime.rank, limited) == (2, 1, True) and not (directory / MEMORY_FILE).exists():
            return_freed_memory()
            most = psutil.Process().memory_info().vms + 2**26
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

    fit(trial, replace(runtime, updated=updated))


@pytest.mark.extended
def test_where_one_of_two_ranks_runs_out_of_memory_both_go_on_in_smaller_parts(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = wide(identity, d_ff=8192, batch_tokens=2200)
    for name in ("free", "t"):
        in_group(partial(train_as_one_of_two, trial, store, tmp_path / name, limited=name == "t"), processes=2)
    bounds = MemoryBounds.read(tmp_path / "t")
    assert (bounds.micro_batch_tokens(2), bounds.entries[0].since_update >= 2) == (None, True)
    assert (bounds.micro_batch_tokens(UPDATES) or 0) > 0
    (whole,), (parts,) = (read_history(tmp_path / name / HISTORY_FILE) for name in ("free", "t"))
    assert parts.metrics["valid/loss"] == pytest.approx(whole.metrics["valid/loss"], rel=1e-5)
    assert as_if_told(store, tmp_path / "t", tmp_path / "told")
