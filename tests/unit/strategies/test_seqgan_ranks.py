"""Two ranks play the game of one: rewards, whitening and both players' updates are those of all rows together."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from test_discriminator import assert_same
from test_seqgan import PLAIN, SMALL, Wrap, copied, criterion_with, step_of, trainer_of, unwrapped
from torch import Tensor, distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel
from toy import select, toy_batch, toy_model, without_targets

from intelligen.config.schema.single_strategies import Adversarial, SeqGan
from intelligen.config.schema.training import Training
from intelligen.data.batches import Batch
from intelligen.strategies.base import Strategy

torch.set_num_threads(1)


def moments(state: dict[str, Any]) -> Tensor:
    by_weight = state["optimizer"]["state"]
    return torch.cat([by_weight[index]["exp_avg"].flatten() for index in sorted(by_weight)])


def play(
    settings: Adversarial, batches: Sequence[Batch], *, rank: int = 0, world_size: int = 1, updates: int = 1
) -> list[dict[str, Any]]:
    """State, weights and reported sums after each update."""
    wrap: Wrap = DistributedDataParallel if world_size > 1 else unwrapped
    model = toy_model()
    trainer = trainer_of(settings, model, wrap=wrap, world_size=world_size)
    criterion = criterion_with(settings, model, trainer)
    strategy = Strategy(model, criterion, wrap=wrap, training=Training(), total_updates=100, world_size=world_size)
    ends = []
    for update in range(1, updates + 1):
        sums = strategy.train_step(batches, step_of(update, rank=rank)).to_lists()
        ends.append({"state": copy.deepcopy(strategy.state_dict()), "model": copied(model), "sums": sums})
    return ends


def without_dropout(settings: Adversarial, **changes: Any) -> Adversarial:
    return settings.model_copy(update={"discriminator": SMALL.model_copy(update={"dropout": 0.0, **changes})})


GAMES = {
    "searching": without_dropout(SeqGan(cut_points=1, **{**PLAIN, "whiten": True, "mle_weight": 0.5})),
    "remembering": without_dropout(SeqGan(**{**PLAIN, "whiten": True}), replay=2),
}


def play_as_rank(rank: int, directory: str) -> None:
    """Of the first micro-batch rank 1 has most rows, of the second none but company."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{directory}/rendezvous", rank=rank, world_size=2)
    batch = toy_batch()
    company = without_targets(select(batch, [3]))
    own = ([select(batch, [0]), select(batch, [3])], [select(batch, [1, 2]), company])[rank]
    for name, settings in GAMES.items():
        torch.save(play(settings, own, rank=rank, world_size=2, updates=3), f"{directory}/{name}-{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(play_as_rank, args=(str(directory),), nprocs=2)
    return directory


def of_ranks(directory: Path, name: str) -> list[list[dict[str, Any]]]:
    return [torch.load(directory / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("name", GAMES)
def test_two_ranks_play_the_game_of_one(name: str, two_ranks: Path) -> None:
    (first, *_), (second, *_) = of_ranks(two_ranks, name)
    (alone,) = play(GAMES[name], [toy_batch()])
    for found, expected in (
        (first["state"]["updater"], alone["state"]["updater"]),
        (first["state"]["objective"]["judge"]["updater"], alone["state"]["objective"]["judge"]["updater"]),
    ):
        torch.testing.assert_close(moments(found), moments(expected), rtol=1e-4, atol=1e-7)
    for measured, (numerator, denominator) in alone["sums"].items():
        together = [sum(values) for values in zip(first["sums"][measured], second["sums"][measured], strict=True)]
        assert together[0] / together[1] == pytest.approx(numerator / denominator, rel=1e-5), measured


@pytest.mark.parametrize("name", GAMES)
def test_ranks_stay_alike(name: str, two_ranks: Path) -> None:
    for first, second in zip(*of_ranks(two_ranks, name), strict=True):
        assert_same(first["model"], second["model"])
        assert_same(first["state"], second["state"])
