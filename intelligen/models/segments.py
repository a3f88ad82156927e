"""Attention within segments, by torch's flash kernel for sequences of different lengths: it needs no mask of padding.

Nothing is packed: rows lie one behind the other with their padding, and each row's padding is a segment of its own. So
how long a row is need not be known where the kernel is launched. Never run on a GPU.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor


class Segments(NamedTuple):
    """Segments of queries and of keys: each query attends to the keys of the segment with its own number."""

    of_queries: Tensor
    """Where each begins among the queries of all rows, int32, and where the last one ends."""
    of_keys: Tensor
    most_queries: int
    """At least the longest segment."""
    most_keys: int

    def seen_by(self, queries: int) -> "Segments":
        """The same rows' keys, as so many queries for each row see them; padding is seen by none."""
        rows = len(self.of_keys) // 2
        of_queries = _bounds(torch.full((rows,), queries, device=self.of_keys.device), queries)
        return self._replace(of_queries=of_queries, most_queries=queries)


def segments_of(padding_BS: Tensor) -> Segments:
    """Of each row its tokens, which come first, and its padding; a row of nothing but padding is one segment."""
    width = padding_BS.size(1)
    length_B = (~padding_BS).sum(dim=1)
    bounds = _bounds(length_B.masked_fill(length_B == 0, width), width)
    return Segments(bounds, bounds, width, width)


def attend_within(segments: Segments, q_MHE: Tensor, k_LHE: Tensor, v_LHE: Tensor) -> Tensor:
    """Weighted values [M, H, E] of the queries of all rows, one row behind the other."""
    # Imports `torch._dynamo`, which takes a second.
    from torch.nn.attention.varlen import varlen_attn

    return cast(Tensor, varlen_attn(q_MHE, k_LHE, v_LHE, *segments))


def flash_runs(device: torch.device) -> bool:
    """Whether what is computed now is what the kernel can: half precision, which is autocast's."""
    return torch.is_autocast_enabled(device.type)


def _bounds(first_B: Tensor, width: int) -> Tensor:
    """Bounds [2B + 1] of two segments for each row: so many of its places, and the rest of all `width`."""
    begin_B = torch.arange(len(first_B), device=first_B.device) * width
    bounds = torch.stack([begin_B, begin_B + first_B], dim=1).flatten()
    return torch.cat([bounds, begin_B[-1:] + width]).int()
