"""Beam search: keeps the most probable prefixes, ends where none can beat the best hypothesis."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from intelligen.config.schema.decoding import ByLength
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.decoding_step import Extend, SearchCache, looks, next_logits, should_compact
from intelligen.decoding.hypotheses import Hypotheses, trimmed
from intelligen.decoding.topk import topk_tokens
from intelligen.models.fixed_cache import FixedCache


def beam_search(
    extend: Extend,
    cache: SearchCache,
    *,
    size: int,
    length_penalty: float | ByLength,
    max_lengths_B: Tensor,
    longest: int,
    first_B: Tensor | None = None,
) -> Hypotheses:
    """Find one hypothesis per source: the finished one with the best log p / lp(length), if any finishes in time.

    At each position the `size` best continuations are taken; those that end leave the beam, so it may narrow, and
    the next position widens it again. With size 1 this is greedy decoding, with room for every prefix it is exhaustive.

    Args:
        extend: the model's next-token logits.
        cache: what comes before `first_B`, `size` rows per source.
        size: prefixes per source.
        length_penalty: of `penalty`.
        max_lengths_B: largest number of tokens, EOS included; at least 1.
        longest: the largest of these.
        first_B: the first input of each source, no part of its hypothesis; none = BOS.

    """
    assert cache.rows_per_source == size
    first_B = torch.full_like(max_lengths_B, BOS) if first_B is None else first_B
    beams = _Beams.begin(max_lengths_B, first_B, size=size, longest=longest)
    tokens_BT = beams.best_tokens_AT.clone()
    log_probs_B = beams.best_log_probs_A.clone()
    for length in range(1, longest + 1):
        log_probs_NV = next_logits(extend, beams.last_token_AK.flatten(), cache).log_softmax(dim=-1)
        origin_AK = beams.advance(log_probs_NV, length=length, length_penalty=length_penalty)
        if looks(length - 1, max_lengths_B.device):
            kept = beams.live_A.nonzero().squeeze(1)
            if len(kept) == 0:
                break
            if not isinstance(cache, FixedCache) and should_compact(live=len(kept), computed=beams.live_A.numel()):
                tokens_BT[beams.source_A], log_probs_B[beams.source_A] = beams.best_tokens_AT, beams.best_log_probs_A
                beams, origin_AK = beams.select(kept), origin_AK[kept]
                cache.select(kept)
        cache.reorder(_rows(origin_AK))
    tokens_BT[beams.source_A], log_probs_B[beams.source_A] = beams.best_tokens_AT, beams.best_log_probs_A
    return trimmed(tokens_BT, log_probs_B)


def penalty(length: Tensor | int, by: float | ByLength) -> Tensor:
    """lp(Y) = ((5 + |Y|) / 6)^α (Wu et al. 2016, eq. 14), or |Y|^α, |Y| with EOS: without it short outputs win."""
    if isinstance(by, ByLength):
        return torch.as_tensor(length, dtype=torch.float32) ** by.alpha
    return ((5.0 + torch.as_tensor(length)) / 6.0) ** by


@dataclass
class _Beams:
    """The A sources that are still computed, K prefixes each, and the best hypothesis of each source so far."""

    source_A: Tensor
    """Place of the source in the whole batch."""
    bound_A: Tensor
    live_A: Tensor
    """Whether the source is still searched; the others wait to leave."""
    tokens_AKT: Tensor
    last_token_AK: Tensor
    log_probs_AK: Tensor
    """Of the prefixes; -inf = there is none in this place."""
    best_tokens_AT: Tensor
    best_log_probs_A: Tensor
    best_score_A: Tensor
    """-inf = no hypothesis has finished."""

    @classmethod
    def begin(cls, max_lengths_B: Tensor, first_B: Tensor, *, size: int, longest: int) -> "_Beams":
        """One empty prefix per source."""
        count, device = max_lengths_B.numel(), max_lengths_B.device
        log_probs_AK = torch.full((count, size), -torch.inf, device=device)
        log_probs_AK[:, 0] = 0.0
        return cls(
            source_A=torch.arange(count, device=device),
            bound_A=max_lengths_B,
            live_A=torch.ones(count, dtype=torch.bool, device=device),
            tokens_AKT=torch.full((count, size, longest), PAD, device=device),
            last_token_AK=first_B[:, None].expand(count, size),
            log_probs_AK=log_probs_AK,
            best_tokens_AT=torch.full((count, longest), PAD, device=device),
            best_log_probs_A=torch.zeros(count, device=device),
            best_score_A=torch.full((count,), -torch.inf, device=device),
        )

    def select(self, kept: Tensor) -> "_Beams":
        """These sources alone."""
        return _Beams(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})

    def advance(self, log_probs_NV: Tensor, *, length: int, length_penalty: float | ByLength) -> Tensor:
        """Take the best continuations as the prefixes of this length; the places [A, K] of those that they continue."""
        origin_AK = self._grow(log_probs_NV, length=length)
        ended_AK = self.last_token_AK == EOS
        score_AK = (self.log_probs_AK / penalty(length, length_penalty)).masked_fill(~ended_AK, -torch.inf)
        score_A, best_A = score_AK.max(dim=1)
        self._keep(best_A, score_A, where_A=self.live_A & (score_A > self.best_score_A))
        self.log_probs_AK = self.log_probs_AK.masked_fill(ended_AK, -torch.inf)

        prefix_A, best_A = self.log_probs_AK.max(dim=1)
        at_bound_A = self.bound_A == length
        unfinished_A = at_bound_A & self.best_score_A.isneginf()
        self._keep(best_A, self.best_score_A, where_A=unfinished_A)
        # Tokens only add negative log-probabilities, and no length divides them by more than the longest does.
        reachable_A = prefix_A / penalty(self.bound_A, length_penalty)
        self.live_A = self.live_A & ~at_bound_A & (reachable_A > self.best_score_A)
        return origin_AK

    def _grow(self, log_probs_NV: Tensor, *, length: int) -> Tensor:
        size = self.log_probs_AK.size(1)
        # No more than K of the K best continuations can come from one prefix.
        step_NC, token_NC = topk_tokens(log_probs_NV, min(size, log_probs_NV.size(1)))
        total_AKC = self.log_probs_AK[:, :, None] + step_NC.view(-1, size, step_NC.size(1))
        self.log_probs_AK, choice_AK = total_AKC.flatten(1).topk(size, dim=1)
        origin_AK: Tensor = choice_AK // step_NC.size(1)
        self.last_token_AK = token_NC.reshape(total_AKC.size(0), -1).gather(1, choice_AK)
        self.tokens_AKT = self.tokens_AKT.gather(1, origin_AK[:, :, None].expand_as(self.tokens_AKT))
        self.tokens_AKT[:, :, length - 1] = self.last_token_AK
        return origin_AK

    def _keep(self, best_A: Tensor, score_A: Tensor, *, where_A: Tensor) -> None:
        row_A = torch.arange(best_A.numel(), device=best_A.device)
        self.best_tokens_AT = self.tokens_AKT[row_A, best_A].where(where_A[:, None], self.best_tokens_AT)
        self.best_log_probs_A = self.log_probs_AK[row_A, best_A].where(where_A, self.best_log_probs_A)
        self.best_score_A = score_A.where(where_A, self.best_score_A)


def _rows(origin_AK: Tensor) -> Tensor:
    sources, size = origin_AK.shape
    first_A1 = torch.arange(sources, device=origin_AK.device)[:, None] * size
    return (first_A1 + origin_AK).flatten()
