"""The loss that is summed chunk by chunk is the loss of all the logits at once."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.data.special_tokens import PAD
from intelligen.models.losses import Targets, summed_loss, token_losses

torch.set_num_threads(1)
MANY = 2**21  # two rows' logits fill a chunk


def inputs(vocabulary: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    states_NTD = torch.randn(2, 3, 4, dtype=dtype, requires_grad=True)
    projection_VD = torch.randn(vocabulary, 4, dtype=dtype, requires_grad=True)
    target_NT = torch.randint(4, vocabulary, (2, 3))
    target_NT[1, 1:] = PAD
    return states_NTD, projection_VD, target_NT


@pytest.mark.parametrize("vocabulary", [9, MANY])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_sum_of_the_token_losses_and_so_is_its_gradient(vocabulary: int, smoothing: float) -> None:
    states_NTD, projection_VD, target_NT = inputs(vocabulary)
    slow = token_losses(F.linear(states_NTD, projection_VD), target_NT, label_smoothing=smoothing).sum()
    fast = summed_loss(states_NTD, projection_VD, Targets(target_NT, smoothing))
    torch.testing.assert_close(fast, slow)
    # A caller's factor is the gradient's, too.
    expected = torch.autograd.grad(slow / 3, (states_NTD, projection_VD))
    torch.testing.assert_close(torch.autograd.grad(fast / 3, (states_NTD, projection_VD)), expected)


def test_padding_gives_no_gradient() -> None:
    states_NTD, projection_VD, target_NT = inputs(9)
    summed_loss(states_NTD, projection_VD, Targets(target_NT, 0.1)).backward()
    assert states_NTD.grad is not None
    assert (states_NTD.grad.abs().sum(dim=2) > 0).equal(target_NT != PAD)


def test_in_bf16_it_rounds_as_logits_do_and_its_sum_is_fp32() -> None:
    states_NTD, projection_VD, target_NT = inputs(9, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        fast = summed_loss(states_NTD, projection_VD, Targets(target_NT, 0.1))
        logits_NTV = F.linear(states_NTD, projection_VD)
        slow = token_losses(logits_NTV.float(), target_NT, label_smoothing=0.1).sum()
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast, slow)
    gradients = torch.autograd.grad(fast, (states_NTD, projection_VD))
    expected = torch.autograd.grad(slow, (states_NTD, projection_VD))
    torch.testing.assert_close(gradients, expected, rtol=2e-2, atol=2e-2)
