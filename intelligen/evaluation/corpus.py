"""One pass over a split: the reference's loss by teacher forcing, and the model's own hypothesis."""

from dataclasses import dataclass

import torch

from intelligen.config.decoding import Decoding, Search
from intelligen.data.batches import evaluation_batches
from intelligen.data.prepared import Prepared
from intelligen.data.tokens import PAD
from intelligen.decoding.generate import generate
from intelligen.models.seq2seq import Seq2SeqTransformer
from intelligen.models.likelihood import token_log_probs


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
        model: Unwrapped; put into eval mode for the pass and back into its mode after.
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
    training = model.training
    model.eval()
    try:
        for batch in evaluation_batches(
            prepared.split(split), batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size
        ):
            batch = batch.to(device)
            with torch.no_grad():
                (logits_BTV,) = model(batch.source_BS, batch.target_in_BT)
                nll -= token_log_probs(logits_BTV, batch.target_out_BT).sum().item()
            targets += batch.num_targets
            source_lengths_B = (batch.source_BS != PAD).sum(dim=1)
            found = generate(
                model,
                batch.source_BS,
                search,
                max_lengths_B=length_bounds(source_lengths_B, decoding, model.config.max_positions),
                generator=generator,
            )
            unfinished += int((~found.finished_N).sum())
            texts = detokenise(found.tokens_NT.tolist())
            hypotheses.update(zip(batch.rows.tolist(), texts, strict=True))
    finally:
        model.train(training)
    return Shard(hypotheses, nll, targets, unfinished)


def length_bounds(source_lengths_B: torch.Tensor, decoding: Decoding, max_positions: int) -> torch.Tensor:
    """Most tokens of each hypothesis: ratio × source tokens + offset, within the position table."""
    bounds_B = (source_lengths_B * decoding.max_length_ratio).long() + decoding.max_length_offset
    return bounds_B.clamp(max=max_positions)
