"""Key-value cache of a decoder: each position is computed once."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from intelligen.models.attention import Heads, KeysValues
from intelligen.models.embeddings import Positions
from intelligen.models.fixed_cache import CacheContents

_POSITIONS = 16
"""Memory is taken for so many at a time."""


class KVCache:
    """Keys and values of every decoder layer: of the target so far and of the source.

    Each of the B sources has n adjacent rows, N = B·n; the rows of one source share its keys and values. Targets may
    begin at different places: the first `left_padding_N` positions of a row are none of its own.

    From the first time that rows change places, a source's rows share their targets' keys and values too. So nothing is
    moved when a beam goes on from another's prefix: each row knows which of all these positions are its own.
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
        self._max_length = max_length
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
        self._held = 0
        """The same of all rows that share them: P."""
        rows = sources * rows_per_source
        self._target = HeldKeysValues(heads, layers=layers, rows=rows, room=max_length, like=like)
        self._own_NP: Tensor | None = None
        """Which of the P positions that its source's rows share are a row's own; none = nothing is shared."""

    @property
    def rows(self) -> int:
        """N."""
        return self._target.rows if self._own_NP is None else len(self._own_NP)

    def of_sources(self, layer: int) -> KeysValues:
        """Of the B sources."""
        return self._source.read(layer, self._width)

    def contents(self) -> CacheContents:
        """All that it holds, before rows have changed places."""
        assert self._own_NP is None, "rows have changed places"
        padding_N = torch.zeros(self.rows, dtype=torch.long, device=self._target.device)
        padding_N = padding_N if self.left_padding_N is None else self.left_padding_N
        return CacheContents(
            heads=self._target.heads,
            kv_LNHTW=self._target.layers(self.length),
            seen_NT=torch.arange(self.length, device=padding_N.device) >= padding_N[:, None],
            next_N=self.length - padding_N,
            room=self._max_length,
            rows_per_source=self.rows_per_source,
            source_kv_LBHSW=self._source.layers(self._width),
            visible_keys=self.visible_keys,
        )

    def position_vectors(self, table: Positions, count: int) -> Tensor:
        """The vectors of `count` further positions, [count, D] or [N, count, D]."""
        vectors: Tensor = table(self.length, count, left_padding_N=self.left_padding_N)
        return vectors

    def visible_positions(self, count: int) -> Tensor | None:
        """What `count` further positions may attend to: each to all those up to itself, and to no padding.

        Returns:
            Boolean mask [T, L] or [N, 1, T, L] over the positions held and the new ones, [B, 1, n·T, P] over those that
            a source's rows share; None where nothing is hidden.

        """
        if self._own_NP is not None:
            return self._visible_of_shared(self._own_NP, count)
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

    def _visible_of_shared(self, own_NP: Tensor, count: int) -> Tensor:
        n, held = self.rows_per_source, self._held
        new_nX = torch.eye(n, dtype=torch.bool, device=own_NP.device).repeat_interleave(count, dim=1)
        own_NP[:, held : held + n * count] = new_nX.repeat(len(own_NP) // n, 1)
        visible_NTP = own_NP[:, None, : held + n * count]
        if count > 1:
            place_T = torch.arange(count, device=own_NP.device)
            past_TX = place_T.repeat(n) <= place_T[:, None]
            visible_NTP = visible_NTP & F.pad(past_TX, (held, 0), value=True)
        return visible_NTP.reshape(-1, 1, n * count, held + n * count)

    def append(self, layer: int, kv_NTW: Tensor) -> KeysValues:
        """Store T further positions of a layer; `advance` counts them once every layer has done so.

        Returns:
            Keys and values of all the layer's positions, the new ones included: of N rows, or of B where they share.

        """
        kv_RXW = kv_NTW.reshape(self._target.rows, -1, kv_NTW.size(2))
        self._target.write(layer, self._held, kv_RXW)
        return self._target.read(layer, self._held + kv_RXW.size(1))

    def advance(self, positions: int) -> None:
        """Count the positions that every layer has appended."""
        self.length += positions
        self._held += positions * (self.rows // self._target.rows)

    def select(self, sources_B: Tensor) -> None:
        """Keep these sources, each with all its rows, in this order."""
        n = self.rows_per_source
        self._pick(sources_B, (sources_B[:, None] * n + torch.arange(n, device=sources_B.device)).flatten())

    def select_rows(self, rows_N: Tensor) -> None:
        """Keep these rows alone, in this order; from now on each has a source of its own."""
        self._pick(rows_N // self.rows_per_source, rows_N)
        self.rows_per_source = 1

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was; both must belong to the same source."""
        if self._own_NP is None:
            self._share()
        assert self._own_NP is not None
        self._own_NP[:, : self._held] = self._own_NP[:, : self._held].index_select(0, rows_N)
        self._pick_padding(rows_N)

    def _share(self) -> None:
        """From now on a source's rows hold their positions together, those of the first row first."""
        n, rows, device = self.rows_per_source, self.rows, self._target.device
        row_N, position_P = torch.arange(rows, device=device)[:, None], torch.arange(n * self.length, device=device)
        own_NP = position_P // max(1, self.length) == row_N % n
        if self.left_padding_N is not None:
            own_NP &= position_P % max(1, self.length) >= self.left_padding_N[:, None]
        self._own_NP = F.pad(own_NP, (0, n * (self._max_length - self.length)), value=False)
        self._target, self._held = self._target.joined(n, self.length), n * self.length

    def _pick(self, sources_B: Tensor, rows_N: Tensor) -> None:
        self._pick_sources(sources_B)
        if self._own_NP is None:
            self._target.pick(rows_N, self._held)
        else:
            self._target.pick(sources_B, self._held)
            self._own_NP = self._own_NP.index_select(0, rows_N)
        self._pick_padding(rows_N)

    def _pick_padding(self, rows_N: Tensor) -> None:
        if self.left_padding_N is not None:
            self.left_padding_N = self.left_padding_N.index_select(0, rows_N)

    def _pick_sources(self, sources_B: Tensor) -> None:
        self._source.pick(sources_B, self._width)
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
        at_once: For so many positions memory is taken.

    """

    def __init__(
        self, heads: Heads, *, layers: int, rows: int, room: int, like: Tensor, at_once: int = _POSITIONS
    ) -> None:
        self.heads, self._room, self._like, self._at_once = heads, room, like[:0], at_once
        self._held = [self._empty(rows, 0) for _ in range(layers)]
        """[N, H, T, W] of each layer."""
        self._spare = self._like.flatten()

    @property
    def rows(self) -> int:
        """N."""
        return self._held[0].size(0)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._like.device

    def write(self, layer: int, start: int, kv_NTW: Tensor) -> None:
        """Store a layer's T positions from `start` on, given with all heads side by side (width W)."""
        end, d_k = start + kv_NTW.size(1), self.heads.d_k
        assert end <= self._room, f"{end} positions in a cache of {self._room}"
        if end > self._held[layer].size(2):
            self._grow(layer, end)
        given, place_NHTW = self.heads.split(kv_NTW), self._held[layer][:, :, start:end]
        place_NHTW[..., :d_k] = given.keys_NHLE
        place_NHTW[..., d_k:] = given.values_NHLV

    def read(self, layer: int, end: int) -> KeysValues:
        """A layer's positions before `end`."""
        kv_NHTW, d_k = self._held[layer][:, :, :end], self.heads.d_k
        return KeysValues(kv_NHTW[..., :d_k], kv_NHTW[..., d_k:])

    def layers(self, end: int) -> list[Tensor]:
        """Each layer's positions before `end`, keys and values side by side, [N, H, T, W]."""
        return [held_NHTW[:, :, :end] for held_NHTW in self._held]

    def pick(self, rows_N: Tensor, end: int) -> None:
        """Hold these rows, with their positions before `end`.

        That is done again and again: the layers' buffers change places, since new ones for each time cost far more.
        """
        for layer, held_NHTW in enumerate(self._held):
            shape = (rows_N.numel(), *held_NHTW.shape[1:])
            if self._spare.numel() < math.prod(shape):
                self._spare = self._like.new_empty(max(math.prod(shape), held_NHTW.numel()))
            picked_NHTW = self._spare[: math.prod(shape)].view(shape)
            torch.index_select(held_NHTW[:, :, :end], 0, rows_N, out=picked_NHTW[:, :, :end])
            self._held[layer], self._spare = picked_NHTW, held_NHTW.flatten()

    def joined(self, times: int, end: int) -> "HeldKeysValues":
        """So many adjacent rows as one each, with the positions before `end` of the first, then those of the next."""
        joined = HeldKeysValues(
            self.heads,
            layers=len(self._held),
            rows=self.rows // times,
            room=times * self._room,
            like=self._like,
            at_once=times * self._at_once,
        )
        for layer, held_NHTW in enumerate(self._held):
            apart_BnHTW = held_NHTW[:, :, :end].view(self.rows // times, times, *held_NHTW[:, :, :end].shape[1:])
            joined._grow(layer, times * end)
            place_BHXW = joined._held[layer][:, :, : times * end]
            place_BHXW.view(*place_BHXW.shape[:2], times, end, place_BHXW.size(-1)).copy_(apart_BnHTW.transpose(1, 2))
        return joined

    def _grow(self, layer: int, end: int) -> None:
        held_NHTW = self._held[layer]
        grown_NHTW = self._empty(held_NHTW.size(0), min(self._room, math.ceil(end / self._at_once) * self._at_once))
        grown_NHTW[:, :, : held_NHTW.size(2)] = held_NHTW
        self._held[layer] = grown_NHTW

    def _empty(self, rows: int, positions: int) -> Tensor:
        return self._like.new_empty(rows, self.heads.count, positions, self.heads.d_k + self.heads.d_v)
