"""Numbers by hand for what stands between rewards and the policy gradient."""

import pytest
import torch

from intelligen.data.special_tokens import EOS, PAD
from intelligen.strategies.monte_carlo_returns import cuts, token_values
from intelligen.strategies.policy_gradient import distinct_bigrams, divergence, policy_log_probs, standardised

torch.set_num_threads(1)


def test_cuts_are_shares_of_the_reference() -> None:
    assert cuts(torch.tensor([1, 2, 6, 7]), 2).tolist() == [[1, 1], [1, 2], [2, 4], [3, 5]]
    assert cuts(torch.tensor([5]), 0).shape == (1, 0)


def test_tokens_are_worth_the_next_cut_s_reward() -> None:
    values = token_values(
        torch.tensor([[0.1, 0.2], [0.3, 0.4]]), torch.tensor([0.9, 0.8]), torch.tensor([[1, 3], [2, 2]]), width=5
    )
    torch.testing.assert_close(values, torch.tensor([[0.1, 0.2, 0.2, 0.9, 0.9], [0.3, 0.3, 0.8, 0.8, 0.8]]))


def test_the_policy_s_distribution_is_the_one_that_sampling_draws_from() -> None:
    torch.manual_seed(0)
    logits_NTV, tokens_NT = torch.randn(1, 2, 6), torch.tensor([[4, PAD]])
    expected = (logits_NTV[0, 0, [1, 3, 4, 5]] / 0.5).log_softmax(dim=0)[2]
    torch.testing.assert_close(
        policy_log_probs(logits_NTV, tokens_NT, temperature=0.5), torch.stack([expected, torch.tensor(0.0)])[None]
    )


def test_whitening_over_micro_batches_is_that_over_one_batch() -> None:
    torch.manual_seed(0)
    advantage_NT, sampled_NT = torch.rand(6, 4) * 3, torch.randint(0, 3, (6, 4))
    options = {"whiten": True, "std_floor": 0.01, "clip": None}
    (whole,), std = standardised([advantage_NT], [sampled_NT], **options)
    kept = whole[sampled_NT != PAD]
    assert kept.mean().item() == pytest.approx(0, abs=1e-6)
    assert kept.std(correction=0).item() == pytest.approx(1, rel=1e-6)
    assert std.item() == pytest.approx(advantage_NT[sampled_NT != PAD].std(correction=0).item(), rel=1e-6)
    assert not whole[sampled_NT == PAD].any()
    parts, std_of_parts = standardised(advantage_NT.split([1, 5]), sampled_NT.split([1, 5]), **options)
    torch.testing.assert_close(torch.cat(parts), whole)
    torch.testing.assert_close(std_of_parts, std)


def test_a_floor_and_a_bound_hold_advantages_down() -> None:
    advantage_NT, sampled_NT = torch.tensor([[0.5, 0.502]]), torch.tensor([[4, 5]])
    ((floored,), _) = standardised([advantage_NT], [sampled_NT], whiten=True, std_floor=0.1, clip=None)
    torch.testing.assert_close(floored, torch.tensor([[-0.01, 0.01]]), rtol=1e-4, atol=0)
    ((clipped,), _) = standardised([advantage_NT * 20], [sampled_NT], whiten=False, std_floor=0.1, clip=10.02)
    torch.testing.assert_close(clipped, torch.tensor([[10.0, 10.02]]))


def test_repetition_inside_a_sample_is_counted() -> None:
    sampled_NT = torch.tensor([[4, 5, 4, 5, EOS], [4, 4, 4, 4, 4], [EOS, PAD, PAD, PAD, PAD], [5, 4, EOS, PAD, PAD]])
    distinct, bigrams = distinct_bigrams(sampled_NT)
    assert (distinct.item(), bigrams.item()) == (2 + 1 + 0 + 1, 3 + 4 + 0 + 1)


def test_divergence_is_zero_for_equals_and_counts_no_padding() -> None:
    torch.manual_seed(0)
    own, start, sampled = torch.randn(1, 3, 5), torch.randn(1, 3, 5), torch.tensor([[4, 4, PAD]])
    assert divergence(own, own, sampled).item() == pytest.approx(0, abs=1e-6)
    p, q = own.log_softmax(dim=-1), start.log_softmax(dim=-1)
    torch.testing.assert_close(divergence(own, start, sampled), (p.exp() * (p - q))[:, :2].sum())
