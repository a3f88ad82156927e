"""Completes prefixes of different lengths: padded on the left, so that all rows go on together."""

import torch
import torch.nn.functional as F
from torch import Tensor

from intelligen.data.special_tokens import BOS, PAD
from intelligen.decoding.autoregressive import Pick, free_run
from intelligen.decoding.hypotheses import Hypotheses, trimmed
from intelligen.models.interfaces import EncoderOutput, Generator


def complete(
    model: Generator,
    encoded: EncoderOutput,
    prefix_NT: Tensor,
    *,
    rows_per_source: int,
    max_lengths_N: Tensor,
    pick: Pick,
) -> Hypotheses:
    """Continue every row from its own prefix.

    Args:
        model: the model, in evaluation mode.
        encoded: the encoded sources.
        prefix_NT: tokens without BOS and EOS, PAD on the left; a row may have none.
        rows_per_source: adjacent rows of each source.
        max_lengths_N: largest number of tokens, the prefix and EOS included; a row that is as long gets no new one.
        pick: chooses among the next tokens; its first step is each row's first new token.

    Returns:
        Prefixes with their continuations, and the log-probabilities of the continuations alone.

    """
    rows = max_lengths_N.numel()
    assert prefix_NT.size(0) == rows, f"prefixes of {prefix_NT.size(0)} rows for {rows} hypotheses"
    lengths_N = (prefix_NT != PAD).sum(dim=1)
    longest = int(lengths_N.max())
    prefix_NT = prefix_NT[:, prefix_NT.size(1) - longest :]
    padding_N = longest - lengths_N
    new_N = max_lengths_N - lengths_N
    # BOS is right before a row's first token.
    inputs_NT = F.pad(prefix_NT, (1, 0), value=PAD).scatter(1, padding_N[:, None], BOS)
    room = longest + max(0, int(new_N.max()))
    cache = model.new_cache(encoded, max_length=room, rows_per_source=rows_per_source, left_padding_N=padding_N)
    if longest > 0:
        model.prefill(inputs_NT[:, :-1], cache)
    found = free_run(model.extend, cache, first_N=inputs_NT[:, -1], max_lengths_N=new_N, pick=pick)
    joined_NT = torch.cat([prefix_NT, found.tokens_NT], dim=1)
    position_NT = padding_N[:, None] + torch.arange(joined_NT.size(1), device=padding_N.device)
    return trimmed(F.pad(joined_NT, (0, longest), value=PAD).gather(1, position_NT), found.log_probs_N)
