"""Scaled dot-product attention (Vaswani et al. 2017, section 3.2); projections of the same input are one product."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intelligen.models.matmul import Linear, linear


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
        self, q_NTE: Tensor, kv_NLW: Tensor, *, mask: Tensor | None, causal: bool = False, dropout: float = 0.0
    ) -> Tensor:
        """Weighted values [N, T, heads·d_v]; `mask` is boolean, True = may be attended to."""
        k_NLE, v_NLE = torch.split(kv_NLW, [self.queries, self.values], dim=-1)
        out_NHTV: Tensor = F.scaled_dot_product_attention(
            self._split(q_NTE), self._split(k_NLE), self._split(v_NLE), mask, dropout, causal
        )
        return out_NHTV.transpose(1, 2).flatten(2)

    def _split(self, x_NLE: Tensor) -> Tensor:
        return x_NLE.view(*x_NLE.shape[:2], self.count, -1).transpose(1, 2)


class SelfAttention(nn.Module):
    """Every position attends to positions of its own sequence."""

    def __init__(self, d_model: int, heads: Heads, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = Linear(d_model, 2 * heads.queries + heads.values)
        self.out = Linear(heads.values, d_model)
        init_projection(self.qkv, [heads.queries, heads.queries, heads.values])
        init_projection(self.out)

    def forward(
        self,
        x_NTD: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        remember: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Attend among the T positions, and to those before them where `remember` adds these to the new ones."""
        queries = self.heads.queries
        q_NTE, kv_NTW = torch.split(self.qkv(x_NTD), [queries, self.qkv.out_features - queries], dim=-1)
        kv_NLW = kv_NTW if remember is None else remember(kv_NTW)
        dropout = self.dropout if self.training else 0.0
        out: Tensor = self.out(self.heads.attend(q_NTE, kv_NLW, mask=mask, causal=causal, dropout=dropout))
        return out

    def kv(self, x_NTD: Tensor) -> Tensor:
        """The positions' keys and values [N, T, W] alone."""
        queries = self.heads.queries
        return linear(x_NTD, self.qkv.weight[queries:], self.qkv.bias[queries:])


class CrossAttention(nn.Module):
    """Every target position attends to its source."""

    def __init__(self, d_model: int, heads: Heads, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = Linear(d_model, heads.queries)
        self.kv = Linear(d_model, heads.queries + heads.values)
        self.out = Linear(heads.values, d_model)
        init_projection(self.query)
        init_projection(self.kv, [heads.queries, heads.values])
        init_projection(self.out)

    def forward(self, x_NTD: Tensor, source_kv_BSW: Tensor, *, mask: Tensor | None) -> Tensor:
        """Attend from N = B·n rows, the n rows of one source adjacent, to B sources."""
        # The rows of one source queue up as further queries on it, so that nothing of a source is ever copied.
        q_BQE = self.query(x_NTD).reshape(source_kv_BSW.size(0), -1, self.heads.queries)
        dropout = self.dropout if self.training else 0.0
        seen_BQE = self.heads.attend(q_BQE, source_kv_BSW, mask=mask, dropout=dropout)
        out: Tensor = self.out(seen_BQE.reshape(*x_NTD.shape[:2], self.heads.values))
        return out


def init_projection(linear: nn.Linear, parts: list[int] | None = None) -> None:
    """Xavier-uniform weights (Glorot & Bengio 2010) and no bias; each part of a fused projection by its own width."""
    for part in torch.split(linear.weight, parts or linear.out_features):
        nn.init.xavier_uniform_(part)
    nn.init.zeros_(linear.bias)
