"""Key-value cache of a fixed size: each decoding step has the shapes and the memory of the one before.

So a GPU can run a step as one graph. What moves on, positions and masks, lies on the device, and nothing is read.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from intelligen.models.attention import Heads, KeysValues
from intelligen.models.embeddings import Positions

_LEAST_POSITIONS = 16


class CacheContents(NamedTuple):
    """What a cache holds before a search begins: N rows, the n of a source adjacent, and their B = N / n sources."""

    heads: Heads
    kv_LNHTW: list[Tensor]
    """Keys and values [N, H, T, W] of each layer, prompts included."""
    seen_NT: Tensor
    """Which of these a row's next token may attend to, boolean."""
    next_N: Tensor
    """Position of each row's next token."""
    room: int
    """Most positions, those that are held included."""
    rows_per_source: int
    source_kv_LBHSW: list[Tensor]
    """Of each layer; none where the rows hold their prompts themselves."""
    visible_keys: Tensor | None
    """Which of a source's positions may be attended to, [B, 1, 1, S]; none = all."""

    @property
    def sources(self) -> int:
        """B."""
        return self.next_N.numel() // self.rows_per_source


@runtime_checkable
class HasContents(Protocol):
    """A cache from which one of fixed size can go on."""

    def contents(self) -> CacheContents:
        """All that it holds."""


class FixedShape(NamedTuple):
    """Sizes of a fixed cache: powers of two, so that few of them serve all batches."""

    sources: int
    rows_per_source: int
    positions: int
    source_width: int
    """0 = there are no keys of sources."""
    dtype: torch.dtype

    @classmethod
    def of(cls, contents: CacheContents) -> "FixedShape":
        """The smallest that has room for contents."""
        sources_kv = contents.source_kv_LBHSW
        return cls(
            sources=_power_of_two(contents.sources),
            rows_per_source=contents.rows_per_source,
            positions=_power_of_two(max(contents.room, _LEAST_POSITIONS)),
            source_width=_power_of_two(max(sources_kv[0].size(2), _LEAST_POSITIONS)) if sources_kv else 0,
            dtype=contents.kv_LNHTW[0].dtype,
        )


class FixedCache:
    """Keys and values of as many rows and positions as there is room for; those that are unused are hidden.

    It is made once for a shape and takes up the contents of one search after the other. `extend` of our own networks
    appends one token to it. All rows are computed until the search ends.
    """

    def __init__(self, shape: FixedShape, like: CacheContents) -> None:
        rows, sources, device = shape.sources * shape.rows_per_source, shape.sources, like.next_N.device
        self._heads, self.rows_per_source = like.heads, shape.rows_per_source
        self.capacity = rows
        """Rows that are computed."""
        self.rows = 0
        """Rows that the search has."""
        self._kv_LNHKW = _room(like.kv_LNHTW, rows, shape.positions)
        self._source_kv_LBHSW = _room(like.source_kv_LBHSW, sources, shape.source_width)
        self._seen_NK = torch.zeros(rows, shape.positions, dtype=torch.bool, device=device)
        self._next_N = torch.zeros(rows, dtype=torch.long, device=device)
        self._place_1 = torch.zeros(1, dtype=torch.long, device=device)
        """Place of the next token among the K, which is the same for all rows."""
        width = shape.source_width
        visible_keys = torch.ones(sources, 1, 1, width, dtype=torch.bool, device=device)
        self.visible_keys = visible_keys if width else None

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self._place_1.device

    @property
    def bytes(self) -> int:
        """Memory of the keys and values."""
        return sum(one.numel() * one.element_size() for one in (self._kv_LNHKW, self._source_kv_LBHSW))

    def take_up(self, contents: CacheContents) -> None:
        """Hold these contents, and nothing of what was there before."""
        rows, length = contents.seen_NT.shape
        self.rows = rows
        for held in (self._kv_LNHKW, self._source_kv_LBHSW, self._seen_NK, self._next_N):
            held.zero_()
        for layer, kv_NHTW in enumerate(contents.kv_LNHTW):
            self._kv_LNHKW[layer, :rows, :, :length] = kv_NHTW
        self._seen_NK[:rows, :length] = contents.seen_NT
        self._next_N[:rows] = contents.next_N
        self._place_1.fill_(length)
        if self.visible_keys is None:
            return
        sources, width = contents.sources, contents.source_kv_LBHSW[0].size(2)
        for layer, kv_BHSW in enumerate(contents.source_kv_LBHSW):
            self._source_kv_LBHSW[layer, :sources, :, :width] = kv_BHSW
        # A place without a source sees something: over no key at all, some kernels' softmax is not a number.
        self.visible_keys.fill_(True)
        self.visible_keys[:, :, :, width:] = False
        if contents.visible_keys is not None:
            self.visible_keys[:sources, :, :, :width] = contents.visible_keys

    def of_sources(self, layer: int) -> KeysValues:
        """Keys and values of the sources."""
        return self._by_head(self._source_kv_LBHSW[layer])

    def visible_positions(self, count: int) -> Tensor:
        """Which of the K positions the next token may attend to, itself included, [N, 1, 1, K]."""
        assert count == 1, f"{count} tokens at once"
        return self._seen_NK.index_fill_(1, self._place_1, True)[:, None, None, :]

    def positions(self, count: int) -> Tensor:
        """Position of each row's next token, [N, 1]."""
        assert count == 1, f"{count} tokens at once"
        return self._next_N[:, None]

    def position_vectors(self, table: Positions, count: int) -> Tensor:
        """Their vectors [N, 1, D]."""
        return table.at(self.positions(count))

    def append(self, layer: int, kv_N1W: Tensor) -> KeysValues:
        """Store a layer's next token; keys and values of all K positions."""
        held_NHKW = self._kv_LNHKW[layer]
        held_NHKW.index_copy_(2, self._place_1, torch.cat(self._heads.split(kv_N1W), dim=-1))
        return self._by_head(held_NHKW)

    def advance(self, positions: int) -> None:
        """Go on to the next place."""
        self._place_1 += positions
        self._next_N += positions

    def reorder(self, rows_N: Tensor) -> None:
        """Row i goes on from what row `rows_N[i]` was."""
        for held, dim in ((self._kv_LNHKW, 1), (self._seen_NK, 0), (self._next_N, 0)):
            held.narrow(dim, 0, self.rows).copy_(held.index_select(dim, rows_N))

    def _by_head(self, kv_NHKW: Tensor) -> KeysValues:
        d_k = self._heads.d_k
        return KeysValues(kv_NHKW[..., :d_k], kv_NHKW[..., d_k:])


def _room(layers: list[Tensor], rows: int, positions: int) -> Tensor:
    """Room [L, rows, H, positions, W] for such tensors; of none, an empty one."""
    if not layers:
        return torch.empty(0)
    _, heads, _, width = layers[0].shape
    return layers[0].new_zeros(len(layers), rows, heads, positions, width)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
