"""Policy gradient: each token weighs by its advantage, through which no gradient passes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.models.losses import kept_positions, token_log_probs
from intelligen.optimization import sum_over_ranks


def policy_log_probs(logits_NTV: Tensor, sampled_NT: Tensor, *, temperature: float) -> Tensor:
    """Log-probabilities (N, T), in fp32, of tokens under the distribution that sampling draws from; 0 at PAD.

    That is the softmax at the temperature over all tokens but PAD and BOS, which are never drawn.
    """
    return token_log_probs(mask_unwritable_(logits_NTV.float() / temperature), sampled_NT)


def divergence(own_NTV: Tensor, start_NTV: Tensor, sampled_NT: Tensor) -> Tensor:
    """KL(own ‖ start), summed over the positions that are not PAD, in fp32."""
    keep_NT = sampled_NT != PAD
    own = F.log_softmax(kept_positions(own_NTV, keep_NT), dim=-1)
    start = F.log_softmax(kept_positions(start_NTV, keep_NT), dim=-1)
    return F.kl_div(start, own, reduction="sum", log_target=True)


def standardised(
    advantages: Sequence[Tensor], sampled: Sequence[Tensor], *, whiten: bool, std_floor: float, clip: float | None
) -> tuple[list[Tensor], Tensor]:
    """Advantages as the loss takes them, and the standard deviation that they came with.

    Args:
        advantages: (N, T) for each of this rank's micro-batches.
        sampled: The tokens they belong to; PAD counts nothing and gets 0.
        whiten: Subtract the mean over all tokens of the update, on all ranks, and divide by the standard deviation.
        std_floor: Least standard deviation to divide by.
        clip: Largest size afterwards; none = no bound.

    """
    kept = torch.cat([a[s != PAD] for a, s in zip(advantages, sampled, strict=True)]).double()
    count, total = sum_over_ranks(torch.stack([kept.new_full((), kept.numel()), kept.sum()]))
    mean = total / count
    # A second pass: the mean square less the squared mean would lose all digits where advantages are nearly alike.
    std = (sum_over_ranks((kept - mean).square().sum()) / count).sqrt()
    if whiten:
        advantages = [(a - mean) / std.clamp(min=std_floor) for a in advantages]
    if clip is not None:
        advantages = [a.clamp(-clip, clip) for a in advantages]
    return [a.masked_fill(s == PAD, 0.0) for a, s in zip(advantages, sampled, strict=True)], std


def distinct_bigrams(sampled_NT: Tensor) -> tuple[Tensor, Tensor]:
    """How many bigrams are distinct within their sample, and how many there are; EOS is no part of them."""
    token_NT = sampled_NT.masked_fill(sampled_NT == EOS, PAD)
    first_NT, second_NT = token_NT[:, :-1], token_NT[:, 1:]
    bigram_NT = (first_NT * 2**32 + second_NT).masked_fill(second_NT == PAD, -1).sort(dim=1).values
    # In a sorted row, what differs from its left neighbour is met for the first time.
    left_NT = F.pad(bigram_NT, (1, 0), value=-1)[:, :-1]
    return (bigram_NT != left_NT).sum(), (bigram_NT >= 0).sum()
