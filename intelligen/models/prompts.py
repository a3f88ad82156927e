"""Prompts of a decoder-only Transformer and its key-value cache: a row's target goes on behind its prompt."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from intelligen.models.attention import Heads, KeysValues
from intelligen.models.fixed_cache import CacheContents
from intelligen.models.kv_cache import HeldKeysValues


@dataclass(frozen=True)
class Prompts:
    """Keys and values of B prompts, side by side (width W), of every layer; computed once."""

    kv_LBSW: tuple[Tensor, ...]
    padding_BS: Tensor
    """Boolean, True = padding."""

    @property
    def width(self) -> int:
        """S; 0 = nothing was read."""
        return self.padding_BS.size(1)

    @cached_property
    def lengths_B(self) -> Tensor:
        """Tokens of each."""
        return (~self.padding_BS).sum(dim=1)

    @cached_property
    def has_padding(self) -> bool:
        """Whether one of them may be shorter than the others."""
        # On an accelerator the question would stall the queue of kernels.
        return self.padding_BS.device.type != "cpu" or bool(self.padding_BS.any())

    def select(self, rows_N: Tensor) -> "Prompts":
        """The prompts `rows_N`, in that order."""
        kv_LBSW = tuple(kv_BSW.index_select(0, rows_N) for kv_BSW in self.kv_LBSW)
        return Prompts(kv_LBSW, self.padding_BS.index_select(0, rows_N))

    def repeated(self, times: int) -> "Prompts":
        """Each prompt so many times, adjacent."""
        if times == 1:
            return self
        return Prompts(tuple(_repeated(kv_BSW, times) for kv_BSW in self.kv_LBSW), _repeated(self.padding_BS, times))


def _repeated(held: Tensor, times: int) -> Tensor:
    return held[:, None].expand(-1, times, *held.shape[1:]).flatten(0, 1)


class PromptCache:
    """Keys and values of N streams, each a prompt of S positions and behind it the target so far.

    A row holds its prompt itself, so that one product of queries and keys is enough at each step. Targets may begin at
    different places: the first `left_padding_N` positions of a row's target are none of its own.
    """

    def __init__(
        self,
        heads: Heads,
        prompts: Prompts,
        *,
        max_length: int,
        rows_per_source: int = 1,
        left_padding_N: Tensor | None = None,
    ) -> None:
        self.rows_per_source = rows_per_source
        self.length = 0
        """Target positions held so far."""
        repeated = prompts.repeated(rows_per_source)
        self._prompt = prompts.width
        layers, rows = len(repeated.kv_LBSW), len(repeated.padding_BS)
        self._room, like = self._prompt + max_length, repeated.kv_LBSW[0]
        self._kv = HeldKeysValues(heads, layers=layers, rows=rows, room=self._room, like=like)
        for layer, kv_NSW in enumerate(repeated.kv_LBSW):
            self._kv.write(layer, 0, kv_NSW)
        place_L = torch.arange(max_length, device=like.device)
        self._seen_NK: Tensor | None = None
        """Which keys of a row are its own; none where all are."""
        self._first_N = repeated.lengths_B
        """Position in the stream of each row's first place, which may be padding."""
        if left_padding_N is not None:
            self._first_N = self._first_N - left_padding_N
        if left_padding_N is not None or prompts.has_padding:
            padding_N = torch.zeros_like(self._first_N) if left_padding_N is None else left_padding_N
            self._seen_NK = torch.cat([~repeated.padding_BS, place_L >= padding_N[:, None]], dim=1)

    @property
    def rows(self) -> int:
        """N."""
        return self._kv.rows

    def contents(self) -> CacheContents:
        """All that it holds."""
        end = self._prompt + self.length
        seen_NT = self._first_N.new_ones(self.rows, end, dtype=torch.bool)
        return CacheContents(
            heads=self._kv.heads,
            kv_LNHTW=self._kv.layers(end),
            seen_NT=seen_NT if self._seen_NK is None else self._seen_NK[:, :end],
            next_N=self._first_N + self.length,
            room=self._room,
            rows_per_source=self.rows_per_source,
            source_kv_LBHSW=[],
            visible_keys=None,
        )

    def visible_positions(self, count: int) -> Tensor | None:
        """What `count` further positions may attend to: each to all those up to itself, and to no padding.

        Returns:
            Boolean mask [T, K] or [N, 1, T, K] over the prompt, the positions held and the new ones; None where
            nothing is hidden.

        """
        if count == 1 and self._seen_NK is None:
            return None
        key_K = torch.arange(self._prompt + self.length + count, device=self._first_N.device)
        query_T1 = key_K[-count:, None]
        past_TK = key_K <= query_T1
        if self._seen_NK is None:
            return past_TK
        # Padding sees itself: over no key at all, some kernels' softmax is not a number.
        return (past_TK & self._seen_NK[:, None, None, : key_K.numel()]) | (key_K == query_T1)

    def positions(self, count: int) -> Tensor:
        """Positions [N, count] in their streams of the next tokens; those of padding mean nothing."""
        return self._first_N[:, None] + torch.arange(self.length, self.length + count, device=self._first_N.device)

    def append(self, layer: int, kv_NTW: Tensor) -> KeysValues:
        """Store T further positions of a layer; `advance` counts them once every layer has done so.

        Returns:
            Keys and values of all the layer's positions, prompt and new ones included.

        """
        begin = self._prompt + self.length
        self._kv.write(layer, begin, kv_NTW)
        return self._kv.read(layer, begin + kv_NTW.size(1))

    def advance(self, positions: int) -> None:
        """Count the positions that every layer has appended."""
        self.length += positions

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""
        n = self.rows_per_source
        self.reorder((sources_B[:, None] * n + torch.arange(n, device=sources_B.device)).flatten())

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""
        self.rows_per_source = 1
        self.reorder(rows_N)

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was."""
        self._kv.pick(rows_N, self._prompt + self.length)
        self._first_N = self._first_N.index_select(0, rows_N)
        if self._seen_NK is not None:
            self._seen_NK = self._seen_NK.index_select(0, rows_N)
