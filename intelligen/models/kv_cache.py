"""Key-value cache of a decoder: each position is computed once."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from intelligen.models.attention import Heads, KeysValues

_POSITIONS = 16
"""Memory is taken for so many at a time."""


class KVCache:
    """Keys and values of every decoder layer: of the target so far and of the source.

    Each of the B sources has n adjacent rows, N = B·n; the rows of one source share its keys and values. Targets may
    begin at different places: the first `left_padding_N` positions of a row are none of its own.
    """

    def __init__(
        self,
        heads: Heads,
        source_kv_LBSW: Sequence[Tensor],
        visible_keys: Tensor | None,
        *,
        rows_per_source: int,
        max_length: int,
        left_padding_N: Tensor | None = None,
    ) -> None:
        layers, like = len(source_kv_LBSW), source_kv_LBSW[0]
        sources, width, _ = like.shape
        self._source = HeldKeysValues(heads, layers=layers, rows=sources, room=width, like=like)
        self._width = width
        for layer, kv_BSW in enumerate(source_kv_LBSW):
            self._source.write(layer, 0, kv_BSW)
        self.visible_keys = visible_keys
        self.left_padding_N = left_padding_N
        """None = no row has any."""
        self.rows_per_source = rows_per_source
        self.length = 0
        """Target positions held so far."""
        rows = sources * rows_per_source
        self._target = HeldKeysValues(heads, layers=layers, rows=rows, room=max_length, like=like)

    @property
    def rows(self) -> int:
        """N."""
        return self._target.rows

    def of_sources(self, layer: int) -> KeysValues:
        """Of the B sources."""
        return self._source.read(layer, self._width)

    def visible_positions(self, count: int) -> Tensor | None:
        """What `count` further positions may attend to: each to all those up to itself, and to no padding.

        Returns:
            Boolean mask [T, L] or [N, 1, T, L] over the positions held and the new ones; None where nothing is hidden.

        """
        if count == 1 and self.left_padding_N is None:
            return None
        position_L = torch.arange(self.length + count, device=self._target.device)
        query_T1 = position_L[self.length :, None]
        past_TL = position_L <= query_T1
        if self.left_padding_N is None:
            return past_TL
        own_N1TL = past_TL & (position_L >= self.left_padding_N[:, None, None, None])
        # Padding sees itself: over no key at all, some kernels' softmax is not a number.
        return own_N1TL | (position_L == query_T1)

    def append(self, layer: int, kv_NTW: Tensor) -> KeysValues:
        """Store T further positions of a layer; `advance` counts them once every layer has done so.

        Returns:
            Keys and values of all the layer's positions, the new ones included.

        """
        self._target.write(layer, self.length, kv_NTW)
        return self._target.read(layer, self.length + kv_NTW.size(1))

    def advance(self, positions: int) -> None:
        """Count the positions that every layer has appended."""
        self.length += positions

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""
        self._pick_sources(sources_B)
        n = self.rows_per_source
        self.reorder((sources_B[:, None] * n + torch.arange(n, device=sources_B.device)).flatten())

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""
        self._pick_sources(rows_N // self.rows_per_source)
        self.rows_per_source = 1
        self.reorder(rows_N)

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was; both must belong to the same source."""
        self._target.pick(rows_N)
        if self.left_padding_N is not None:
            self.left_padding_N = self.left_padding_N.index_select(0, rows_N)

    def _pick_sources(self, sources_B: Tensor) -> None:
        self._source.pick(sources_B)
        if self.visible_keys is not None:
            self.visible_keys = self.visible_keys.index_select(0, sources_B)


class HeldKeysValues:
    """Keys and values of N rows at every layer, by head: what a query reads of a row lies in one place.

    Args:
        heads: How many there are, and how wide.
        layers: Number of layers.
        rows: N at first.
        room: Most positions; memory is taken for some at a time, since close rows are read and copied faster.
        like: Has their type and device.

    """

    def __init__(self, heads: Heads, *, layers: int, rows: int, room: int, like: Tensor) -> None:
        self._heads, self._room, self._like = heads, room, like[:0]
        self._held_LNHTW = self._empty(layers, rows, 0)
        self._spare: Tensor | None = None

    @property
    def rows(self) -> int:
        """N."""
        return self._held_LNHTW.size(1)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._held_LNHTW.device

    def write(self, layer: int, start: int, kv_NTW: Tensor) -> None:
        """Store a layer's T positions from `start` on, given with all heads side by side (width W)."""
        end, d_k = start + kv_NTW.size(1), self._heads.d_k
        assert end <= self._room, f"{end} positions in a cache of {self._room}"
        if end > self._held_LNHTW.size(3):
            self._grow(min(self._room, math.ceil(end / _POSITIONS) * _POSITIONS))
        given, place_NHTW = self._heads.split(kv_NTW), self._held_LNHTW[layer, :, :, start:end]
        place_NHTW[..., :d_k] = given.keys_NHLE
        place_NHTW[..., d_k:] = given.values_NHLV

    def read(self, layer: int, end: int) -> KeysValues:
        """A layer's positions before `end`."""
        kv_NHTW, d_k = self._held_LNHTW[layer, :, :, :end], self._heads.d_k
        return KeysValues(kv_NHTW[..., :d_k], kv_NHTW[..., d_k:])

    def pick(self, rows_N: Tensor) -> None:
        """Hold these rows.

        That is done again and again: two buffers change places, since a new one for each time costs far more.
        """
        layers, rows, *shape = self._held_LNHTW.shape
        picked, width = rows_N.numel(), math.prod(shape)
        taken = layers * picked * width
        if self._spare is None or self._spare.numel() < taken:
            self._spare = self._like.new_empty(max(taken, self._held_LNHTW.numel()))
        picked_MX = self._spare[:taken].view(layers * picked, width)
        # As rows of one matrix they are copied as they lie.
        row_M = (torch.arange(layers, device=self.device)[:, None] * rows + rows_N).flatten()
        torch.index_select(self._held_LNHTW.view(layers * rows, width), 0, row_M, out=picked_MX)
        self._held_LNHTW, self._spare = picked_MX.view(layers, picked, *shape), self._held_LNHTW.flatten()

    def _grow(self, positions: int) -> None:
        layers, rows, _, held, _ = self._held_LNHTW.shape
        grown_LNHTW = self._empty(layers, rows, positions)
        grown_LNHTW[:, :, :, :held] = self._held_LNHTW
        self._held_LNHTW, self._spare = grown_LNHTW, None

    def _empty(self, layers: int, rows: int, positions: int) -> Tensor:
        heads = self._heads
        return self._like.new_empty(layers, rows, heads.count, positions, heads.d_k + heads.d_v)
