"""Scaled dot-product attention (Vaswani et al. 2017, section 3.2); projections of the same input are one product."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intelligen.models.matmul import Linear, linear
from intelligen.models.row_masks import weight_factors
from intelligen.models.segments import Segments, attend_within

# For one query a processor's two products are faster than its fused kernel, which is made for long sequences; but
# torch multiplies matrices by plain loops where that takes fewer multiplications than this.
_MOST_QUERIES, _SMALLEST_PRODUCT = 1, 400


class KeysValues(NamedTuple):
    """Keys and values as a cache holds them: by head."""

    keys_NHLE: Tensor
    values_NHLV: Tensor


Remember = Callable[[Tensor], Tensor | KeysValues]
"""A layer's new keys and values [N, T, W] → all that the new positions attend to."""


@dataclass(frozen=True)
class Heads:
    """How many heads there are, and how wide."""

    count: int
    d_k: int
    d_v: int

    @property
    def queries(self) -> int:
        """Width of all the heads' queries side by side; their keys are as wide."""
        return self.count * self.d_k

    @property
    def values(self) -> int:
        """Width of all the heads' values side by side."""
        return self.count * self.d_v

    def attend(
        self,
        q_NTE: Tensor,
        kv: Tensor | KeysValues,
        *,
        mask: Tensor | Segments | None,
        causal: bool = False,
        dropout: float = 0.0,
        factors_NHTL: Tensor | None = None,
    ) -> Tensor:
        """Weighted values [N, T, heads·d_v].

        Args:
            q_NTE: The queries of all heads side by side. Of N = B·n rows, the n of one source adjacent, those of a
                source queue up as further queries on its keys, so that nothing of a source is ever copied.
            kv: Keys and values [N or B, L, W] of all heads side by side, or those of a cache.
            mask: Boolean, True = may be attended to; or segments, without dropout and not of a cache.
            causal: Each query sees the keys up to its own place; stands in the place of a mask.
            dropout: Of the weights, as torch draws it.
            factors_NHTL: In its place what the weights are multiplied by.

        """
        if isinstance(mask, Segments):
            assert not isinstance(kv, KeysValues), "a cache has a mask"
            assert not causal, "a segment is seen as a whole"
            assert dropout == 0, "the kernel has no dropout"
            return self._attend_within(mask, q_NTE, kv)
        sources = (kv.keys_NHLE if isinstance(kv, KeysValues) else kv).size(0)
        q_BHQE = self._by_head(q_NTE.reshape(sources, -1, self.queries))
        if factors_NHTL is not None:
            held = kv if isinstance(kv, KeysValues) else self.split(kv)
            seen = factors_NHTL.new_ones(factors_NHTL.shape[2:], dtype=torch.bool).tril() if causal else mask
            factors_BHQL = factors_NHTL.view(sources, -1, *factors_NHTL.shape[1:]).transpose(1, 2).flatten(2, 3)
            out_BHQV = _attend_by_products(q_BHQE, held, seen, factors_BHQL)
        elif isinstance(kv, KeysValues) and dropout == 0 and not causal and _suits_products(q_BHQE, kv):
            out_BHQV = _attend_by_products(q_BHQE, kv, mask)
        else:
            keys_BHLE, values_BHLV = kv if isinstance(kv, KeysValues) else self.split(kv)
            out_BHQV = F.scaled_dot_product_attention(q_BHQE, keys_BHLE, values_BHLV, mask, dropout, causal)
        return out_BHQV.transpose(1, 2).reshape(*q_NTE.shape[:2], self.values)

    def split(self, kv_NLW: Tensor) -> KeysValues:
        """The same keys and values by head."""
        k_NLE, v_NLE = torch.split(kv_NLW, [self.queries, self.values], dim=-1)
        return KeysValues(self._by_head(k_NLE), self._by_head(v_NLE))

    def _attend_within(self, segments: Segments, q_NTE: Tensor, kv_BLW: Tensor) -> Tensor:
        k_BLE, v_BLE = torch.split(kv_BLW, [self.queries, self.values], dim=-1)
        q_MHE, k_LHE, v_LHE = (one.reshape(-1, self.count, self.d_k) for one in (q_NTE, k_BLE, v_BLE))
        return attend_within(segments, q_MHE, k_LHE, v_LHE).reshape(q_NTE.shape)

    def _by_head(self, x_NLE: Tensor) -> Tensor:
        return x_NLE.view(*x_NLE.shape[:2], self.count, x_NLE.size(-1) // self.count).transpose(1, 2)


def _suits_products(q_NHTE: Tensor, kv: KeysValues) -> bool:
    # The fused kernels keep the scores of half precision in full precision.
    if q_NHTE.device.type != "cpu" or q_NHTE.dtype != torch.float32:
        return False
    count, width = q_NHTE.size(2), min(q_NHTE.size(3), kv.values_NHLV.size(3))
    return count <= _MOST_QUERIES and count * width * kv.keys_NHLE.size(2) >= _SMALLEST_PRODUCT


def _attend_by_products(
    q_NHTE: Tensor, kv: KeysValues, mask: Tensor | None, factors_NHTL: Tensor | None = None
) -> Tensor:
    """softmax(Q·Kᵀ / √d)·V (Vaswani et al. 2017, eq. 1), the weights multiplied by factors."""
    scores_NHTL = torch.matmul(q_NHTE * q_NHTE.size(-1) ** -0.5, kv.keys_NHLE.transpose(2, 3))
    if mask is not None:
        scores_NHTL.masked_fill_(~mask, -torch.inf)
    weights_NHTL = scores_NHTL.softmax(dim=-1)
    if factors_NHTL is not None:
        weights_NHTL = weights_NHTL * factors_NHTL
    return torch.matmul(weights_NHTL, kv.values_NHLV)


def _length(kv: Tensor | KeysValues) -> int:
    return kv.keys_NHLE.size(2) if isinstance(kv, KeysValues) else kv.size(1)


class SelfAttention(nn.Module):
    """Every position attends to positions of its own sequence."""

    def __init__(self, d_model: int, heads: Heads, *, dropout: float, init_gain: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = Linear(d_model, 2 * heads.queries + heads.values)
        self.out = Linear(heads.values, d_model)
        init_projection(self.qkv, [heads.queries, heads.queries, heads.values], gain=init_gain)
        init_projection(self.out)

    def forward(
        self,
        x_NTD: Tensor,
        *,
        mask: Tensor | Segments | None = None,
        causal: bool = False,
        remember: Remember | None = None,
    ) -> Tensor:
        """Attend among the T positions, and to those before them where `remember` adds these to the new ones."""
        queries = self.heads.queries
        q_NTE, kv_NTW = torch.split(self.qkv(x_NTD), [queries, self.qkv.out_features - queries], dim=-1)
        kv = kv_NTW if remember is None else remember(kv_NTW)
        dropout = self.dropout if self.training else 0.0
        count = q_NTE.size(1)
        before = _length(kv) - count
        factors = weight_factors(q_NTE, heads=self.heads.count, keys=(before, count), p=dropout)
        seen_NTE = self.heads.attend(q_NTE, kv, mask=mask, causal=causal, dropout=dropout, factors_NHTL=factors)
        out: Tensor = self.out(seen_NTE)
        return out

    def kv(self, x_NTD: Tensor) -> Tensor:
        """The positions' keys and values [N, T, W] alone."""
        queries = self.heads.queries
        return linear(x_NTD, self.qkv.weight[queries:], self.qkv.bias[queries:])


class CrossAttention(nn.Module):
    """Every target position attends to its source."""

    def __init__(self, d_model: int, heads: Heads, *, dropout: float, init_gain: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = Linear(d_model, heads.queries)
        self.kv = Linear(d_model, heads.queries + heads.values)
        self.out = Linear(heads.values, d_model)
        init_projection(self.query, gain=init_gain)
        init_projection(self.kv, [heads.queries, heads.values], gain=init_gain)
        init_projection(self.out)

    def forward(self, x_NTD: Tensor, source_kv: Tensor | KeysValues, *, mask: Tensor | Segments | None) -> Tensor:
        """Attend from N = B·n rows, the n rows of one source adjacent, to B sources."""
        dropout = self.dropout if self.training else 0.0
        factors = weight_factors(x_NTD, heads=self.heads.count, keys=(_length(source_kv),), p=dropout)
        q_NTE = self.query(x_NTD)
        out: Tensor = self.out(self.heads.attend(q_NTE, source_kv, mask=mask, dropout=dropout, factors_NHTL=factors))
        return out


def init_projection(linear: nn.Linear, parts: list[int] | None = None, *, gain: float = 1.0) -> None:
    """Xavier-uniform weights (Glorot & Bengio 2010) and no bias; each part of a fused projection by its own width."""
    for part in torch.split(linear.weight, parts or linear.out_features):
        nn.init.xavier_uniform_(part, gain=gain)
    nn.init.zeros_(linear.bias)
