"""Dropout (Srivastava et al. 2014): the masks that torch draws, in less of a processor's time, or masks by row."""

import math
from functools import cache

import torch
from torch import Tensor, nn

from intelligen.models.row_masks import current_masks

_FRACTIONS = 2**53
"""torch draws a whole number below it for each element, and keeps those whose fraction of it is below a probability."""


class Dropout(nn.Dropout):
    """`nn.Dropout`, digit for digit: on a processor the whole numbers are compared, not the fractions made of them."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements, and scale up those that are kept; of states [N, T, D] by row within `masks_of_rows`."""
        masks = current_masks() if self.training and self.p > 0 else None
        if masks is not None:
            return x * masks.of_states(x, self.p)
        suits = x.device.type == "cpu" and x.is_contiguous() and not torch.compiler.is_compiling()
        if not (suits and self.training and self.p > 0 and _torch_draws_alike()):
            return super().forward(x)
        return x * _kept(x, 1 - self.p).to(x.dtype).div_(1 - self.p)


def _kept(x: Tensor, probability: float) -> Tensor:
    """Which elements are kept, as booleans."""
    drawn = torch.empty(x.shape, dtype=torch.int64).random_().bitwise_and_(_FRACTIONS - 1)
    return drawn < math.ceil(probability * _FRACTIONS)


@cache
def _torch_draws_alike() -> bool:
    """Whether this build of torch draws its own masks so; it leaves no trace in torch's generator."""
    with torch.random.fork_rng(devices=[]):
        before, mask = torch.get_rng_state(), torch.empty(64)
        ours = _kept(mask, 0.9)
        after_ours = torch.get_rng_state()
        torch.set_rng_state(before)
        return ours.equal(mask.bernoulli_(0.9).bool()) and after_ours.equal(torch.get_rng_state())
