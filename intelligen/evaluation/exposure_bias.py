"""Measures of exposure bias: what a model does after its own prefix, and after the reference's."""

from typing import Final

import torch
from torch import Tensor

from intelligen.data.batches import Rows
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.models.interfaces import EncoderOutput, Generator
from intelligen.models.losses import token_log_probs
from intelligen.optimization import MetricSums

POSITIONS: Final = ("01", "02", "03-04", "05-08", "09-16", "17-32", "33-up")
"""Buckets of positions, the first being 1; MLflow allows no `+` in a metric's name."""
_LAST_POSITIONS: Final = (1, 2, 4, 8, 16, 32)
PREFIXES: Final = (1, 2, 4, 8, 16)
"""Tokens of the model's own after which the reference goes on."""


def rightly_predicted(logits_BTV: Tensor, target_BT: Tensor) -> Tensor:
    """Whether the most probable token, of those that a search may emit, is the target, (B, T); never where it is PAD.

    The logits of PAD and BOS are overwritten.
    """
    mask_unwritable_(logits_BTV)
    # An argmax takes seven times as long on a processor.
    logit_BT = logits_BTV.gather(-1, target_BT[..., None]).squeeze(-1)
    return logit_BT == logits_BTV.amax(dim=-1)


def token_accuracy(right_BT: Tensor, hypothesis_NT: Tensor, target_BT: Tensor) -> MetricSums:
    """Shares of the reference's tokens, EOS included, that a model gets right by teacher forcing and on its own.

    Args:
        right_BT: Where the prediction after the reference's prefix is right.
        hypothesis_NT: The model's own hypotheses, one per row, of any width; none of their ends is PAD's.
        target_BT: The references.

    Returns:
        `teacher_forced_accuracy`, `free_running_accuracy`, both by position too, and `exposure_gap`.

    """
    counted_BT = target_BT != PAD
    free_BT = counted_BT & (of_width(hypothesis_NT, target_BT.size(1)) == target_BT)
    bucket_T = torch.bucketize(torch.arange(1, target_BT.size(1) + 1), torch.tensor(_LAST_POSITIONS))
    columns_3T = torch.stack([part_BT.sum(dim=0) for part_BT in (right_BT, free_BT, counted_BT)]).cpu()
    buckets_3P = torch.zeros(3, len(POSITIONS), dtype=torch.long).index_add_(1, bucket_T, columns_3T)
    forced, free, counted = buckets_3P.sum(dim=1).tolist()
    pairs = {
        "teacher_forced_accuracy": (forced, counted),
        "free_running_accuracy": (free, counted),
        "exposure_gap": (forced - free, counted),
    }
    for name, (forced, free, counted) in zip(POSITIONS, buckets_3P.T.tolist(), strict=True):
        pairs[f"teacher_forced_accuracy_at/{name}"] = (forced, counted)
        pairs[f"free_running_accuracy_at/{name}"] = (free, counted)
    return MetricSums(pairs)


def prefix_switch(
    model: Generator,
    memory: EncoderOutput,
    *,
    target_in_BT: Tensor,
    target_out_BT: Tensor,
    log_probs_BT: Tensor,
    greedy_NT: Tensor,
    rows: Rows,
) -> MetricSums:
    """Nats per token of the reference's rest y_{>k}: after k greedy tokens of the model, and after y_1 … y_k.

    A row is read at one k, and the rows of a split are distributed over all ks, so that the curve costs a single pass
    of the decoder. A row counts where the reference has more than k tokens and the greedy output at least k before EOS.

    Args:
        model: In evaluation mode.
        memory: Of the batch's sources.
        target_in_BT: BOS y_1 … y_{T-1}.
        target_out_BT: y_1 … y_T.
        log_probs_BT: Of y_t after y_{<t}.
        greedy_NT: The model's greedy output, one per row, at least the largest k wide unless all end before.
        rows: Index of each row in its split.

    Returns:
        `prefix_switch/04_model`, `prefix_switch/04_reference` for each k, and `prefix_switch_gap`: their difference
        over all k, tokens pooled.

    """
    width, device = target_out_BT.size(1), target_out_BT.device
    k_B = torch.tensor(PREFIXES)[torch.from_numpy(rows) % len(PREFIXES)].to(device)
    own_B = ((greedy_NT != PAD) & (greedy_NT != EOS)).sum(dim=1)
    taken_M = (((target_out_BT != PAD).sum(dim=1) > k_B) & (own_B >= k_B)).nonzero().squeeze(1)
    if len(taken_M) == 0:
        return MetricSums()
    k_M1, target_MT = k_B[taken_M, None], target_out_BT[taken_M]
    position_T = torch.arange(width, device=device)
    # What is output at a position is the input of the next one: positions 1 to k hold the model's first k tokens.
    own_in_MT = of_width(greedy_NT[taken_M], width).roll(1, dims=1)
    switched_MT = own_in_MT.where((position_T >= 1) & (position_T <= k_M1), target_in_BT[taken_M])
    rest_MT = (target_MT != PAD) & (position_T >= k_M1)
    own_log_probs_MT = token_log_probs(model.decode(switched_MT, memory.select(taken_M)), target_MT)
    nats_3M = torch.stack(
        [-part_MT.where(rest_MT, 0.0).sum(dim=1) for part_MT in (own_log_probs_MT, log_probs_BT[taken_M])]
        + [rest_MT.sum(dim=1)]
    )
    return _curve(k_M1.squeeze(1).cpu(), *nats_3M.cpu())


def _curve(k_M: Tensor, model_M: Tensor, reference_M: Tensor, tokens_M: Tensor) -> MetricSums:
    pairs = {"prefix_switch_gap": ((model_M - reference_M).sum(), tokens_M.sum())}
    for k in PREFIXES:
        tokens = tokens_M[k_M == k].sum()
        pairs[f"prefix_switch/{k:02}_model"] = (model_M[k_M == k].sum(), tokens)
        pairs[f"prefix_switch/{k:02}_reference"] = (reference_M[k_M == k].sum(), tokens)
    return MetricSums(pairs)


def of_width(tokens_NT: Tensor, width: int) -> Tensor:
    """The first `width` tokens of each row, PAD where there are fewer."""
    missing = max(0, width - tokens_NT.size(1))
    return torch.nn.functional.pad(tokens_NT[:, :width], (0, missing), value=PAD)
