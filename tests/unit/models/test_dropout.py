"""Our dropout is torch's, digit for digit."""

import pytest
import torch
from torch import Tensor, nn

from intelligen.models import dropout
from intelligen.models.dropout import Dropout

torch.set_num_threads(1)


def dropped(layer: nn.Dropout, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Its output, its gradient, and what the generator draws next."""
    torch.manual_seed(1)
    x = x.detach().requires_grad_()
    out: Tensor = layer(x)
    (gradient,) = torch.autograd.grad(out, x, torch.ones_like(out))
    return out.detach(), gradient, torch.rand(1)


def assert_alike(layer: nn.Dropout, theirs: nn.Dropout, x: Tensor) -> None:
    for one, other in zip(dropped(layer, x), dropped(theirs, x), strict=True):
        assert one.dtype == other.dtype
        assert one.equal(other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.9])
def test_it_drops_what_torch_drops(p: float, dtype: torch.dtype) -> None:
    x = torch.randn(50, 401).to(dtype)
    assert_alike(Dropout(p), nn.Dropout(p), x)
    assert_alike(Dropout(p), nn.Dropout(p), x.t())
    assert_alike(Dropout(p).eval(), nn.Dropout(p).eval(), x)


def test_a_torch_that_draws_otherwise_draws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    monkeypatch.setattr(dropout, "_FRACTIONS", 2**52)
    dropout._torch_draws_alike.cache_clear()
    try:
        assert not dropout._torch_draws_alike()
        assert_alike(Dropout(0.1), nn.Dropout(0.1), torch.randn(50, 40))
    finally:
        dropout._torch_draws_alike.cache_clear()


def test_whether_torch_draws_so_is_found_out_without_a_trace() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    dropout._torch_draws_alike.cache_clear()
    dropout._torch_draws_alike()
    assert torch.rand(3).equal(expected)
