"""Sampling in pieces, as memory allows, samples what sampling at once does."""

import pytest
import torch
from toy import LONGEST, toy_batch, toy_model

from intelligen.config.schema.single_strategies import SeqGan
from intelligen.data.special_tokens import PAD
from intelligen.decoding.length_bound import LengthBound
from intelligen.strategies import monte_carlo_returns
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.monte_carlo_returns import Sampler


@pytest.mark.parametrize("most_rows", [1, 3, 6, 7])
def test_pieces_of_any_size_sample_the_same_tokens(most_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, step = toy_batch(), UpdateContext(seed=1, update=1, total_updates=1)
    sampler = Sampler(toy_model(), SeqGan(), rollout_bound=LengthBound(0.01, LONGEST + 2))
    prefix_NT = torch.tensor([[PAD, PAD], [PAD, 4], [5, 4]]).repeat(len(batch.rows), 1)
    for prefix in (None, prefix_NT):
        monkeypatch.setattr(monte_carlo_returns, "MOST_ROWS", 1000)
        at_once = sampler.sample(batch, step, "sample", samples=3, prefix_NT=prefix)
        monkeypatch.setattr(monte_carlo_returns, "MOST_ROWS", most_rows)
        assert torch.equal(sampler.sample(batch, step, "sample", samples=3, prefix_NT=prefix), at_once)
