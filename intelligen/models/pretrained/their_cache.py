"""Caches of `transformers` behind our interface: the only file that touches them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from intelligen.models.encoder_output import TransformerEncoderOutput


def of_sources(sources_B: Tensor, rows_per_source: int) -> Tensor:
    """The rows [B·n] of some sources."""
    return (sources_B[:, None] * rows_per_source + torch.arange(rows_per_source, device=sources_B.device)).flatten()


@dataclass
class Group:
    """Rows whose targets begin at the same place, so that they need neither masks nor positions of their own."""

    padding: int
    """Positions before the beginning."""
    encoded: TransformerEncoderOutput
    """A source for each row."""
    cache: EncoderDecoderCache
    length: int = 0
    """Positions held, without the padding."""

    def pick(self, rows_M: Tensor) -> "Group":
        """These rows of the group."""
        if self.length:
            self.cache.batch_select_indices(rows_M)
        return Group(self.padding, self.encoded.select(rows_M), self.cache, self.length)


class GroupedCache:
    """Cache of an encoder-decoder: one of theirs for the rows of each beginning.

    Most of these models have no way to say at which position a target begins.
    """

    def __init__(
        self, encoded: TransformerEncoderOutput, *, rows_per_source: int, left_padding_N: Tensor | None
    ) -> None:
        self.rows_per_source = rows_per_source
        self.length = 0
        device = encoded.padding_BS.device
        rows = len(encoded.padding_BS) * rows_per_source
        self.padding_N = (
            torch.zeros(rows, dtype=torch.long, device=device) if left_padding_N is None else left_padding_N
        )
        row_N = torch.arange(rows, device=device)
        self.groups = [
            Group(
                padding,
                encoded.select(row_N[self.padding_N == padding] // rows_per_source),
                EncoderDecoderCache(DynamicCache(), DynamicCache()),
            )
            for padding in sorted({*self.padding_N.tolist()})
        ]

    @property
    def rows(self) -> int:
        """N."""
        return len(self.padding_N)

    def rows_of(self, group: Group) -> Tensor | slice:
        """Which rows are a group's; of the only group all, without a question that would stall an accelerator."""
        return slice(None) if len(self.groups) == 1 else (self.padding_N == group.padding).nonzero().squeeze(1)

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""
        self.reorder(of_sources(sources_B, self.rows_per_source))

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""
        self.rows_per_source = 1
        self.reorder(rows_N)

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was."""
        if len(self.groups) == 1:
            self.groups, self.padding_N = [self.groups[0].pick(rows_N)], self.padding_N[rows_N]
            return
        place_N = torch.zeros_like(self.padding_N)
        for group in self.groups:
            own_N = self.padding_N == group.padding
            place_N[own_N] = torch.arange(int(own_N.sum()), device=own_N.device)
        padding_N = self.padding_N[rows_N]
        picked = [(group, place_N[rows_N[padding_N == group.padding]]) for group in self.groups]
        self.groups = [group.pick(rows_M) for group, rows_M in picked if len(rows_M)]
        self.padding_N = padding_N


class StreamCache:
    """Cache of a causal model: each row a prompt, padded on the left, and behind it the target so far."""

    def __init__(
        self, padding_BS: Tensor, *, max_length: int, rows_per_source: int, left_padding_N: Tensor | None
    ) -> None:
        self.rows_per_source = rows_per_source
        self.length = 0
        self.kv: Any = DynamicCache()
        padding_NS = padding_BS.repeat_interleave(rows_per_source, dim=0)
        self._width = padding_NS.size(1)
        first_N = (~padding_NS).sum(dim=1)
        left_N = torch.zeros_like(first_N) if left_padding_N is None else left_padding_N
        place_L = torch.arange(max_length, device=padding_BS.device)
        self._first_N = first_N - left_N
        self._seen_NK = torch.cat([~padding_NS, place_L >= left_N[:, None]], dim=1)

    def start_from(self, prompts: "StreamCache") -> None:
        """Take over the keys and values of the prompts, which another cache holds once each."""
        self.kv = prompts.kv
        if self.rows_per_source > 1:
            self.kv.batch_repeat_interleave(self.rows_per_source)

    @property
    def rows(self) -> int:
        """N."""
        return len(self._first_N)

    def visible_keys(self, count: int) -> Tensor:
        """What `count` further positions see, [N, 1, T, K]: all up to themselves that is no padding."""
        key_K = torch.arange(self._width + self.length + count, device=self._first_N.device)
        query_T1 = key_K[-count:, None]
        seen_NTK = (key_K <= query_T1) & self._seen_NK[:, None, : len(key_K)]
        # Padding sees itself: over no key at all, some kernels' softmax is not a number.
        return (seen_NTK | (key_K == query_T1))[:, None]

    def positions(self, count: int) -> Tensor:
        """Positions [N, count] of the next tokens in their streams; those of padding mean nothing."""
        return self._first_N[:, None] + torch.arange(self.length, self.length + count, device=self._first_N.device)

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""
        self.reorder(of_sources(sources_B, self.rows_per_source))

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""
        self.rows_per_source = 1
        self.reorder(rows_N)

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was."""
        if self.kv.get_seq_length():
            self.kv.batch_select_indices(rows_N)
        self._first_N, self._seen_NK = self._first_N[rows_N], self._seen_NK[rows_N]
