"""Autoregressive decoding: one token after the other, each row's choice is its next input."""

from collections.abc import Callable

import torch
from torch import Tensor

from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.decoding_step import Extend, SearchCache, looks, next_logits, should_compact
from intelligen.decoding.hypotheses import Hypotheses, trimmed
from intelligen.decoding.topk import topk_tokens
from intelligen.models.fixed_cache import FixedCache

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""Logits [M, V] of token number `step` (from 0) of the hypotheses [M] → these tokens [M]."""


def free_run(
    extend: Extend,
    cache: SearchCache,
    *,
    first_N: Tensor,
    max_lengths_N: Tensor,
    longest: int,
    pick: Pick,
    log_probs: bool = False,
) -> Hypotheses:
    """Continue every row until its EOS or its length bound.

    Args:
        extend: the model's next-token logits.
        cache: what comes before `first_N`.
        first_N: the first input of each row; no part of its hypothesis.
        max_lengths_N: largest number of tokens, EOS included; a row that may have none gets none.
        longest: the largest of these, or 0.
        pick: chooses among the next tokens.
        log_probs: whether those of the hypotheses are wanted.

    """
    count, device = cache.rows, max_lengths_N.device
    tokens_NT = torch.full((count, longest), PAD, device=device)
    log_probs_N = torch.zeros(count, device=device) if log_probs else None
    # M rows are still computed; row_M says which hypothesis each of them continues.
    row_M = torch.arange(count, device=device)
    bound_M = max_lengths_N
    token_M = first_N
    live_M = bound_M > 0
    for step in range(longest):
        logits_MV = next_logits(extend, token_M, cache)
        token_M = pick(logits_MV, row_M, step)
        tokens_NT[row_M, step] = token_M.masked_fill(~live_M, PAD)
        if log_probs_N is not None:
            gain_M = logits_MV.log_softmax(dim=-1).gather(1, token_M[:, None]).squeeze(1)
            log_probs_N[row_M] += gain_M.masked_fill(~live_M, 0.0)
        live_M = live_M & (token_M != EOS) & (bound_M > step + 1)
        if not looks(step, device):
            continue
        kept = live_M.nonzero().squeeze(1)
        if len(kept) == 0:
            break
        if not isinstance(cache, FixedCache) and should_compact(live=len(kept), computed=cache.rows):
            cache.select_rows(kept)
            row_M, bound_M, token_M, live_M = row_M[kept], bound_M[kept], token_M[kept], live_M[kept]
    return trimmed(tokens_NT, log_probs_N)


def most_probable(logits_MV: Tensor, _row_M: Tensor, _step: int) -> Tensor:
    """Greedy choice [M]; of equals, any one."""
    return topk_tokens(logits_MV, 1)[1].squeeze(1)
