"""One token after the other: each row's choice becomes its own next input."""

from collections.abc import Callable

import torch
from torch import Tensor

from intelligen.data.tokens import BOS, EOS, PAD
from intelligen.decoding.hypotheses import Hypotheses, trimmed
from intelligen.decoding.step import Extend, next_log_probs, worth_leaving
from intelligen.models.cache import KVCache

Pick = Callable[[Tensor], Tensor]
"""Log-probabilities [N, V] → the token [N] of each row."""


def free_run(extend: Extend, cache: KVCache, *, max_lengths_N: Tensor, pick: Pick) -> Hypotheses:
    """Continue every row until its EOS or its length bound.

    Args:
        extend: the model's next-token logits.
        cache: without a target position yet, one row per source.
        max_lengths_N: largest number of tokens, EOS included; at least 1.
        pick: chooses among the next tokens.

    """
    count, longest, device = cache.rows, int(max_lengths_N.max()), max_lengths_N.device
    tokens_NT = torch.full((count, longest), PAD, device=device)
    log_probs_N = torch.zeros(count, device=device)
    # M rows are still computed; row_M says which hypothesis each of them continues.
    row_M = torch.arange(count, device=device)
    bound_M = max_lengths_N
    token_M = torch.full((count,), BOS, device=device)
    live_M = torch.ones(count, dtype=torch.bool, device=device)
    for position in range(longest):
        log_probs_MV = next_log_probs(extend, token_M, cache)
        token_M = pick(log_probs_MV)
        gain_M = log_probs_MV.gather(1, token_M[:, None]).squeeze(1)
        tokens_NT[row_M, position] = token_M.masked_fill(~live_M, PAD)
        log_probs_N[row_M] += gain_M.masked_fill(~live_M, 0.0)
        live_M = live_M & (token_M != EOS) & (bound_M > position + 1)
        live = int(live_M.sum())
        if live == 0:
            break
        if worth_leaving(live=live, computed=cache.rows):
            kept = live_M.nonzero().squeeze(1)
            cache.select(kept)
            row_M, bound_M, token_M, live_M = row_M[kept], bound_M[kept], token_M[kept], live_M[kept]
    return trimmed(tokens_NT, log_probs_N)


def most_probable(log_probs_NV: Tensor) -> Tensor:
    """Greedy choice [N]; of equals, any one."""
    return log_probs_NV.argmax(dim=-1)
