"""Products with weights: as torch computes them itself, or by oneDNN, which is faster on some processors.

torch sends them to MKL on x86-64, and MKL does not use all that AMD's processors can do. oneDNN lies in torch too, but
products in fp32 get to it by a private operator alone, which has no gradient: that is written down here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from intelligen.config.schema.compute import Matmul

_LEAST_MULTIPLICATIONS = 2**21
"""Of a product by oneDNN: to call the operator takes some 15 µs, in which torch has done smaller ones itself."""


@dataclass
class _Process:
    """What this process computes products by."""

    matmul: Matmul = "mkl"


_process = _Process()


class Linear(nn.Linear):
    """`nn.Linear` by what the process computes products by."""

    def forward(self, x: Tensor) -> Tensor:
        """Project the last dimension."""
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `F.linear` computes, x · weightᵀ + bias; by oneDNN where the process uses it, and it can."""
    # The operator reads a bias as if it were contiguous.
    fits = x.dim() > 1 and (bias is None or (bias.dtype == weight.dtype and bias.is_contiguous()))
    if not (fits and _by_onednn(x, weight, x.numel() * weight.size(0))):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in (x, weight, bias)):
        return cast(Tensor, _OneDnnLinear.apply(x, weight, bias))  # type: ignore[no-untyped-call]
    return _onednn(x, weight, bias)


def matmul(x: Tensor, matrix: Tensor) -> Tensor:
    """What `x @ matrix` computes, by the same choice."""
    fits = x.dim() > 1 and _by_onednn(x, matrix, x.numel() * matrix.size(1))
    return linear(x, matrix.t()) if fits else x @ matrix


def product_over_rows(a_MA: Tensor, b_MB: Tensor) -> Tensor:
    """What `a.t() @ b` computes, [A, B], by the same choice; without a gradient."""
    fits = _by_onednn(a_MA, b_MB, a_MA.numel() * b_MB.size(1))
    return _over_rows(a_MA, b_MB) if fits else a_MA.t() @ b_MB


def use_matmul(wanted: Matmul) -> None:
    """Have this process compute products so from now on, or by `mkl` where torch offers nothing else."""
    _process.matmul = wanted if offers(wanted) else "mkl"


def matmul_in_use() -> Matmul:
    """What this process computes products by."""
    return _process.matmul


@contextmanager
def matmul_used(wanted: Matmul) -> Iterator[None]:
    """Have it do so for a while."""
    before = _process.matmul
    try:
        use_matmul(wanted)
        yield
    finally:
        _process.matmul = before


@cache
def offers(wanted: Matmul) -> bool:
    """Whether products can be computed so here: a build of torch may lack oneDNN, or call its operator otherwise."""
    if wanted == "mkl":
        return True
    one = torch.ones(2, 2)
    try:
        return bool(torch.equal(_onednn(one, one, None), one + one))
    except (AttributeError, RuntimeError, TypeError):
        return False


class _OneDnnLinear(torch.autograd.Function):
    """The operator with its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = ctx.needs_input_grad
        by_output_MO = by_output.reshape(-1, by_output.size(-1))
        return (
            _onednn(by_output_MO, weight.t(), None).view(x.shape) if by_x else None,
            _over_rows(by_output_MO, x.reshape(-1, x.size(-1))) if by_weight else None,
            by_output_MO.sum(0) if by_bias else None,
        )


def _by_onednn(one: Tensor, other: Tensor, multiplications: int) -> bool:
    """Whether the process uses oneDNN, and this is a product that the operator computes, and is worth its call."""
    return (
        _process.matmul == "onednn"
        and multiplications >= _LEAST_MULTIPLICATIONS
        and one.device.type == other.device.type == "cpu"
        and one.dtype == other.dtype == torch.float32
        and not torch.compiler.is_compiling()  # a compiler chooses kernels itself
        and not torch.is_autocast_enabled("cpu")
    )


def _over_rows(a_MA: Tensor, b_MB: Tensor) -> Tensor:
    """aᵀ · b; the operator copies its first factor to turn it, so that is the narrower one."""
    if a_MA.size(1) < b_MB.size(1):
        return _onednn(a_MA.t(), b_MB.t(), None)
    return _onednn(b_MB.t(), a_MA.t(), None).t()


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))
