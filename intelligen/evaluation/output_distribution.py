"""Distributions that a model writes from: how spread out they are, along what it has written."""

import torch

from intelligen.data.batches import Batch, Examples, evaluation_batches
from intelligen.data.special_tokens import PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import evaluating
from intelligen.models.interfaces import Generator
from intelligen.optimization import MetricSums


def output_distribution(
    model: Generator, written: Examples[Batch], *, batch_tokens: int, device: torch.device
) -> MetricSums:
    """Of the distribution of each token, EOS included, after the model's own words before it.

    Policy gradients may raise a score by making a distribution more peaked alone (Choshen et al. 2020).

    Args:
        model: Unwrapped; found in its own mode again after.
        written: Sources with what was written for them.
        batch_tokens: Padded tokens that are read at once.
        device: Where the model lies.

    Returns:
        `output_entropy` in nats, and `output_top1`, the probability of the most probable token: means over all tokens.

    """
    sums = MetricSums()
    with torch.no_grad(), evaluating(model):
        for batch in evaluation_batches(written, batch_tokens=batch_tokens):
            here = batch.to(device)
            read_BT, counted_BT = (
                side[:, : model.max_positions] for side in (here.target_in_BT, here.target_out_BT != PAD)
            )
            logits_BTV = mask_unwritable_(model.decode(read_BT, model.encode(here.source_BS)))
            # Row by row: probabilities of all at once would take as much memory again as the logits.
            for logits_TV, counted_T in zip(logits_BTV, counted_BT, strict=True):
                probs_TV = logits_TV[counted_T].softmax(dim=-1, dtype=torch.float32)
                tokens = len(probs_TV)
                entropy, top1 = torch.special.entr(probs_TV).sum(), probs_TV.amax(dim=-1).sum()
                sums.add(MetricSums({"output_entropy": (entropy.item(), tokens), "output_top1": (top1.item(), tokens)}))
    return sums
