"""Masks of dropout that are functions of the row, where `masks_of_rows` asks for them: torch draws a whole batch's."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

# SplitMix64 (Steele et al. 2014): a counter's multiples of the first constant, mixed by the two others; signed here.
_STEP, _FIRST, _SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
_VALUES = 2**16
"""Of a draw: a probability is rounded to one of them."""
_DRAWS = 4
"""In one mixed number of 64 bits."""
_SEQUENCE, _COPY, _USE = 2**24, 2**28, 2**44
"""What a sequence of a row, a copy of a row and a use of dropout count in the number of a place."""


class RowMasks:
    """Draws the masks of one pass over B rows.

    A mask is a function of the row's key, of how often dropout was used before in the pass, and of the place in the
    row. So neither padding nor the rows beside it change what is drawn for a row.

    Args:
        keys_B: A random number for each row, int64.

    """

    def __init__(self, keys_B: Tensor) -> None:
        self._keys_B = keys_B
        self._widths: tuple[int, ...] | None = None
        self._uses = 0

    @contextmanager
    def repeated(self, times: int) -> Iterator[None]:
        """Meanwhile the rows come so many times, one copy of all of them after the other, each with its own masks."""
        once = self._keys_B
        self._keys_B = torch.cat([_mixed(once + copy * _STEP) for copy in range(times)])
        yield
        self._keys_B = once

    @contextmanager
    def side_by_side(self, widths: tuple[int, ...]) -> Iterator[None]:
        """Meanwhile the positions of a row are those of several sequences, each with its own padding."""
        self._widths = widths
        yield
        self._widths = None

    def of_states(self, x_NTD: Tensor, p: float) -> Tensor:
        """Factors [N, T, D] of states: 0 with probability p, else what keeps the mean."""
        rows, length, width = x_NTD.shape
        index_W = torch.arange(math.ceil(width / _DRAWS), device=x_NTD.device)
        kept_NTD = _kept(self._keys_NT(rows, length), index_W, p)[..., :width]
        return _factors(kept_NTD, p, x_NTD.dtype)

    def of_weights(self, q_NTE: Tensor, *, heads: int, keys: tuple[int, ...], p: float) -> Tensor:
        """Likewise factors [N, H, T, L] of attention weights.

        Args:
            q_NTE: Queries of N rows.
            heads: H.
            keys: Widths of the sequences whose keys lie side by side, L together.
            p: Probability of 0.

        """
        rows, length, _ = q_NTE.shape
        draws = math.ceil(heads / _DRAWS)
        place_L = self._places(*keys)
        index_W = (place_L[:, None] * draws + torch.arange(draws, device=place_L.device)).flatten()
        kept_NTW = _kept(self._keys_NT(rows, length), index_W, p)
        kept_NTLH = kept_NTW.view(rows, length, place_L.numel(), -1)[..., :heads]
        return _factors(kept_NTLH.permute(0, 3, 1, 2), p, q_NTE.dtype)

    def _keys_NT(self, rows: int, length: int) -> Tensor:
        """A random number for each place; the N/B rows of each of the B are adjacent."""
        self._uses += 1
        copies = rows // self._keys_B.numel()
        copy_n = torch.arange(copies, device=self._keys_B.device) * _COPY
        key_N = (self._keys_B[:, None] + (copy_n + self._uses * _USE) * _STEP).flatten()
        return _mixed(key_N[:, None] + self._places(length) * _STEP)

    def _places(self, *widths: int) -> Tensor:
        """Each position's number within its sequence, and its sequence's."""
        counted = [torch.arange(width, device=self._keys_B.device) for width in self._widths or widths]
        return torch.cat([place + number * _SEQUENCE for number, place in enumerate(counted)])


_PASSES: list[RowMasks | None] = []
"""Those under way, the innermost last. A list, since `torch.compile` reads no `ContextVar`."""


def current_masks() -> RowMasks | None:
    """What draws the masks of the pass under way; none = torch."""
    return _PASSES[-1] if _PASSES else None


@contextmanager
def masks_of_rows(keys_B: Tensor | None) -> Iterator[None]:
    """Meanwhile the masks are functions of the rows with these keys; none = torch draws them."""
    _PASSES.append(None if keys_B is None else RowMasks(keys_B))
    try:
        yield
    finally:
        _PASSES.pop()


def rows_repeated(times: int) -> AbstractContextManager[None]:
    """Of the pass under way, as `RowMasks.repeated`; without masks by row it means nothing."""
    masks = current_masks()
    return nullcontext() if masks is None else masks.repeated(times)


def sequences_side_by_side(*widths: int) -> AbstractContextManager[None]:
    """Likewise as `RowMasks.side_by_side`."""
    masks = current_masks()
    return nullcontext() if masks is None else masks.side_by_side(widths)


def weight_factors(q_NTE: Tensor, *, heads: int, keys: tuple[int, ...], p: float) -> Tensor | None:
    """What attention weights are multiplied by, as `RowMasks.of_weights`; none where torch draws, or nothing is 0."""
    masks = current_masks() if p > 0 else None
    return None if masks is None else masks.of_weights(q_NTE, heads=heads, keys=keys, p=p)


def row_keys(seed: int, rows: Tensor) -> Tensor:
    """Keys for rows with these numbers, int64."""
    return _mixed(seed + rows * _STEP)


def _dropped(p: float) -> int:
    """Of all values of a draw."""
    return min(round(p * _VALUES), _VALUES - 1)


def _kept(key_NT: Tensor, index_W: Tensor, p: float) -> Tensor:
    """Boolean [N, T, W·draws]."""
    draws = _mixed(key_NT[:, :, None] + index_W * _STEP).view(torch.int16)
    kept: Tensor = draws >= _dropped(p) - _VALUES // 2
    return kept


def _factors(kept: Tensor, p: float, dtype: torch.dtype) -> Tensor:
    return kept.to(dtype, memory_format=torch.contiguous_format).mul_(_VALUES / (_VALUES - _dropped(p)))


def _mixed(counters: Tensor) -> Tensor:
    """SplitMix64's finalizer, in place. A shift of signed numbers copies the sign, which the last one must not."""
    counters ^= counters >> 30
    counters *= _FIRST
    counters ^= counters >> 27
    counters *= _SECOND
    counters ^= (counters >> 32) & 0xFFFFFFFF
    return counters
