"""A stand-in for torch's flash kernel for sequences of different lengths: the same attention, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
import torch.nn.attention.varlen  # so that it can be replaced
import torch.nn.functional as F
from torch import Tensor

from intelligen.models import seq2seq_transformer


@contextmanager
def segment_attention() -> Iterator[None]:
    """Let it compute for a while what the kernel would, in any precision."""
    with (
        patch.object(torch.nn.attention.varlen, "varlen_attn", _attend),
        patch.object(seq2seq_transformer, "flash_runs", lambda _device: True),
    ):
        yield


def _attend(
    q_MHE: Tensor, k_LHE: Tensor, v_LHE: Tensor, of_q: Tensor, of_k: Tensor, most_q: int, most_k: int
) -> Tensor:
    same_ML = _numbers(q_MHE, of_q)[:, None] == _numbers(k_LHE, of_k)
    q_HME, k_HLE, v_HLE = (one.transpose(0, 1)[None] for one in (q_MHE, k_LHE, v_LHE))
    return F.scaled_dot_product_attention(q_HME, k_HLE, v_HLE, same_ML)[0].transpose(0, 1)


def _numbers(x_MHE: Tensor, bounds: Tensor) -> Tensor:
    """Of the segment that each place is in; an empty one has none."""
    place_M = torch.arange(len(x_MHE), device=x_MHE.device)
    return torch.searchsorted(bounds.long(), place_M, right=True)
