"""Key-value cache of a decoder: each position is computed once."""

import torch
from torch import Tensor


class KVCache:
    """Keys and values of every decoder layer, packed side by side (width W): of the target so far and of the source.

    Each of the B sources has n adjacent rows, N = B·n; the rows of one source share its keys and values. Targets may
    begin at different places: the first `left_padding_N` positions of a row are none of its own.
    """

    def __init__(
        self,
        source_kv_LBSW: Tensor,
        visible_keys: Tensor | None,
        *,
        rows: int,
        max_length: int,
        left_padding_N: Tensor | None = None,
    ) -> None:
        layers, sources, _, width = source_kv_LBSW.shape
        assert rows % sources == 0
        self._source = PickedRows(source_kv_LBSW)
        self.visible_keys = visible_keys
        self.left_padding_N = left_padding_N
        """None = no row has any."""
        self.rows_per_source = rows // sources
        self.length = 0
        """Target positions held so far."""
        self._target = PickedRows(source_kv_LBSW.new_empty(layers, rows, max_length, width))

    @property
    def source_kv_LBSW(self) -> Tensor:
        """Of the sources, for every layer."""
        return self._source.held

    @property
    def rows(self) -> int:
        """N."""
        return self._target.held.size(1)

    @property
    def max_length(self) -> int:
        """Target positions that there is room for."""
        return self._target.held.size(2)

    def visible_positions(self, count: int) -> Tensor | None:
        """What `count` further positions may attend to: each to all those up to itself, and to no padding.

        Returns:
            Boolean mask [T, L] or [N, 1, T, L] over the positions held and the new ones; None where nothing is hidden.

        """
        if count == 1 and self.left_padding_N is None:
            return None
        position_L = torch.arange(self.length + count, device=self._target.held.device)
        query_T1 = position_L[self.length :, None]
        past_TL = position_L <= query_T1
        if self.left_padding_N is None:
            return past_TL
        own_N1TL = past_TL & (position_L >= self.left_padding_N[:, None, None, None])
        # Padding sees itself: over no key at all, some kernels' softmax is not a number.
        return own_N1TL | (position_L == query_T1)

    def append(self, layer: int, kv_NTW: Tensor) -> Tensor:
        """Store T further positions of a layer; `advance` counts them once every layer has done so.

        Returns:
            Keys and values of all the layer's positions, the new ones included.

        """
        end = self.length + kv_NTW.size(1)
        assert end <= self.max_length, f"{end} positions in a cache of {self.max_length}"
        kv_NLW = self._target.held[layer, :, :end]
        kv_NLW[:, self.length :] = kv_NTW
        return kv_NLW

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
        self._target.pick(rows_N, positions=self.length)
        if self.left_padding_N is not None:
            self.left_padding_N = self.left_padding_N.index_select(0, rows_N)

    def _pick_sources(self, sources_B: Tensor) -> None:
        self._source.pick(sources_B, positions=self.source_kv_LBSW.size(2))
        if self.visible_keys is not None:
            self.visible_keys = self.visible_keys.index_select(0, sources_B)


class PickedRows:
    """Rows that are picked again and again: two buffers change places, since a new one for each pick costs far more."""

    def __init__(self, held_LNTW: Tensor) -> None:
        self.held = held_LNTW
        self._spare_LNTW: Tensor | None = None

    def pick(self, rows_N: Tensor, *, positions: int) -> None:
        """Hold these rows; of the T positions only the first are carried over."""
        layers, rows, *shape = self.held.shape
        if self._spare_LNTW is None or self._spare_LNTW.size(1) < rows_N.numel():
            self._spare_LNTW = self.held.new_empty(layers, max(rows, rows_N.numel()), *shape)
        picked = self._spare_LNTW[:, : rows_N.numel()]
        torch.index_select(self.held[:, :, :positions], 1, rows_N, out=picked[:, :, :positions])
        self.held, self._spare_LNTW = picked, self.held
