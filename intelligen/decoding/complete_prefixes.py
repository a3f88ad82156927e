"""Completes prefixes of different lengths: padded on the left, so that all rows go on together."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from intelligen.config.schema.decoding import Beam
from intelligen.data.special_tokens import BOS, PAD
from intelligen.decoding.autoregressive import Pick, free_run
from intelligen.decoding.beam_search import beam_search
from intelligen.decoding.fixed_steps import stepping
from intelligen.decoding.hypotheses import Hypotheses, trimmed
from intelligen.models.interfaces import DecoderCache, EncoderOutput, Generator


def complete(
    model: Generator,
    encoded: EncoderOutput,
    prefix_NT: Tensor,
    *,
    rows_per_source: int,
    max_lengths_N: Tensor,
    pick: Pick,
    log_probs: bool = False,
) -> Hypotheses:
    """Continue every row from its own prefix.

    Args:
        model: the model, in evaluation mode.
        encoded: the encoded sources.
        prefix_NT: tokens without BOS and EOS, PAD on the left; a row may have none.
        rows_per_source: adjacent rows of each source.
        max_lengths_N: largest number of tokens, the prefix and EOS included; a row that is as long gets no new one.
        pick: chooses among the next tokens; its first step is each row's first new token.
        log_probs: whether those of the continuations are wanted.

    Returns:
        Prefixes with their continuations, and the log-probabilities of the continuations alone.

    """
    prefixes = _Prefixes.of(prefix_NT, max_lengths_N)
    extend, cache = stepping(model, prefixes.read(model, encoded, rows_per_source=rows_per_source, copies=1))
    found = free_run(
        extend,
        cache,
        first_N=prefixes.last_N,
        max_lengths_N=prefixes.new_N,
        longest=prefixes.most_new,
        pick=pick,
        log_probs=log_probs,
    )
    return prefixes.joined(found)


def complete_by_beam(
    model: Generator, encoded: EncoderOutput, prefix_BT: Tensor, *, search: Beam, max_lengths_B: Tensor
) -> Hypotheses:
    """Continue each source's prefix by its best continuation; a row that is as long as its bound gets one token.

    Args:
        model: the model, in evaluation mode.
        encoded: the encoded sources.
        prefix_BT: as in `complete`.
        search: size and length penalty; the prefix does not count in that.
        max_lengths_B: as in `complete`.

    """
    prefixes = _Prefixes.of(prefix_BT, max_lengths_B)
    extend, cache = stepping(model, prefixes.read(model, encoded, rows_per_source=search.size, copies=search.size))
    found = beam_search(
        extend,
        cache,
        size=search.size,
        length_penalty=search.length_penalty,
        max_lengths_B=prefixes.new_N.clamp(min=1),
        longest=max(1, prefixes.most_new),
        first_B=prefixes.last_N,
    )
    return prefixes.joined(found)


@dataclass(frozen=True)
class _Prefixes:
    """Prefixes as they are read: with BOS, the last input apart."""

    prefix_NT: Tensor
    """Without columns of nothing but padding."""
    input_NT: Tensor
    """BOS and all tokens but the last."""
    last_N: Tensor
    padding_N: Tensor
    new_N: Tensor
    """Most tokens of each continuation."""
    most_new: int
    """The largest of these, or 0."""

    @classmethod
    def of(cls, prefix_NT: Tensor, max_lengths_N: Tensor) -> "_Prefixes":
        rows = max_lengths_N.numel()
        assert prefix_NT.size(0) == rows, f"prefixes of {prefix_NT.size(0)} rows for {rows} hypotheses"
        lengths_N = (prefix_NT != PAD).sum(dim=1)
        new_N = max_lengths_N - lengths_N
        # Both in one copy: an accelerator is waited for.
        longest, most_new = torch.stack([lengths_N.max(), new_N.max()]).tolist()
        prefix_NT = prefix_NT[:, prefix_NT.size(1) - longest :]
        padding_N = longest - lengths_N
        # BOS is right before a row's first token.
        inputs_NT = F.pad(prefix_NT, (1, 0), value=PAD).scatter(1, padding_N[:, None], BOS)
        return cls(prefix_NT, inputs_NT[:, :-1], inputs_NT[:, -1], padding_N, new_N, max(0, most_new))

    def read(self, model: Generator, encoded: EncoderOutput, *, rows_per_source: int, copies: int) -> DecoderCache:
        """A cache of all that comes before the last input, with room for the continuations."""
        longest = self.prefix_NT.size(1)
        cache = model.new_cache(
            encoded,
            max_length=longest + self.most_new,
            rows_per_source=rows_per_source,
            left_padding_N=self.padding_N.repeat_interleave(copies),
        )
        if longest > 0:
            model.prefill(self.input_NT.repeat_interleave(copies, dim=0), cache)
        return cache

    def joined(self, found: Hypotheses) -> Hypotheses:
        """Prefixes with their continuations."""
        longest = self.prefix_NT.size(1)
        joined_NT = torch.cat([self.prefix_NT, found.tokens_NT], dim=1)
        position_NT = self.padding_N[:, None] + torch.arange(joined_NT.size(1), device=self.padding_N.device)
        return trimmed(F.pad(joined_NT, (0, longest), value=PAD).gather(1, position_NT), found.log_probs_N)
