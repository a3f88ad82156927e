"""One pass over a split: the reference's loss by teacher forcing, and the model's own hypothesis."""

from dataclasses import dataclass

import torch

from intelligen.config.decoding import Decoding, Search
from intelligen.data.batches import evaluation_batches
from intelligen.data.prepared import Prepared
from intelligen.data.tokens import PAD
from intelligen.decoding.generate import evaluating, generate
from intelligen.models.likelihood import token_log_probs
from intelligen.models.seq2seq import Seq2SeqTransformer


@dataclass(frozen=True)
class Shard:
    """What one rank found out about its rows."""

    hypotheses: dict[int, str]
    """Row of the split → detokenised text."""
    negative_log_likelihood: float
    """Of the references, in nats, summed."""
    target_tokens: int
    unfinished: int
    """Hypotheses that reached the length bound without EOS."""


def evaluate_shard(
    model: Seq2SeqTransformer,
    prepared: Prepared,
    split: str,
    *,
    search: Search,
    decoding: Decoding,
    device: torch.device,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Shard:
    """Decode and score this rank's rows of a split.

    Args:
        model: Unwrapped; found in its own mode again after.
        prepared: The data.
        split: Its name.
        search: How hypotheses are searched for.
        decoding: Bounds and batch size.
        device: Where the model lies.
        seed: Of sampled hypotheses.
        rank: This process among `world_size`.
        world_size: Processes that share the split.

    """
    detokenise = prepared.tokenizer("target").decode
    generator = torch.Generator(device).manual_seed(seed * world_size + rank)
    hypotheses: dict[int, str] = {}
    nll, targets, unfinished = 0.0, 0, 0
    batches = evaluation_batches(
        prepared.split(split), batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size
    )
    with torch.no_grad(), evaluating(model):
        for batch in (found.to(device) for found in batches):
            # A reference beyond the position table is scored as far as the table goes.
            target_in_BT, target_out_BT = (
                side[:, : model.max_positions] for side in (batch.target_in_BT, batch.target_out_BT)
            )
            (logits_BTV,) = model(batch.source_BS, target_in_BT)
            nll -= token_log_probs(logits_BTV, target_out_BT).sum().item()
            targets += int((target_out_BT != PAD).sum())
            bounds_B = length_bounds((batch.source_BS != PAD).sum(dim=1), decoding)
            hypothesis = generate(model, batch.source_BS, search, max_lengths_B=bounds_B, generator=generator)
            unfinished += int((~hypothesis.finished_N).sum())
            texts = detokenise(hypothesis.tokens_NT.tolist())
            hypotheses.update(zip(batch.rows.tolist(), texts, strict=True))
    return Shard(hypotheses, nll, targets, unfinished)


def length_bounds(source_lengths_B: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Most tokens of each hypothesis: ratio × source tokens + offset."""
    return (source_lengths_B * decoding.max_length_ratio).long() + decoding.max_length_offset
