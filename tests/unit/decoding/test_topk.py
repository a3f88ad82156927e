"""The top-k tokens by blocks are those of a selection over the whole row."""

import pytest
import torch

from intelligen.decoding.topk import topk_tokens


@pytest.mark.parametrize("vocabulary", [7, 64, 65, 320, 331])
@pytest.mark.parametrize("k", [1, 4, 7])
def test_the_best_tokens_are_those_of_a_whole_selection(vocabulary: int, k: int) -> None:
    scores_NV = torch.randn(50, vocabulary, generator=torch.Generator().manual_seed(vocabulary))
    found, expected = topk_tokens(scores_NV, k), scores_NV.topk(k, dim=1)
    assert torch.equal(found[0], expected.values)
    assert torch.equal(found[1], expected.indices)


def test_the_best_tokens_may_stand_side_by_side_or_behind_the_last_block() -> None:
    scores_NV = torch.zeros(2, 331)
    scores_NV[0, 40:44] = scores_NV[1, 327:331] = torch.tensor([1.0, 4.0, 2.0, 3.0])
    assert topk_tokens(scores_NV, 4)[1].tolist() == [[41, 43, 42, 40], [328, 330, 329, 327]]


def test_tokens_without_any_probability_come_last() -> None:
    scores_NV = torch.full((1, 331), -torch.inf)
    scores_NV[0, [5, 330]] = torch.tensor([-1.0, -2.0])
    scores_NK, tokens_NK = topk_tokens(scores_NV, 3)
    assert scores_NK.tolist() == [[-1.0, -2.0, -torch.inf]]
    assert tokens_NK[0, :2].tolist() == [5, 330]
    assert 0 <= int(tokens_NK[0, 2]) < 331
