"""Packing: the tokens of a padded batch side by side, so that nothing is computed of its padding."""

from dataclasses import dataclass

import torch
from torch import Tensor

# With less padding, copies cost what packing saves. Of few rows, products may be rounded otherwise than of many.
_LARGEST_SHARE, _FEWEST_TOKENS = 0.9, 64


@dataclass(frozen=True)
class Packing:
    """Where a padded batch has its P tokens."""

    place_P: Tensor
    """Among the B·S positions."""
    shape: torch.Size
    """[B, S]."""

    @classmethod
    def of(cls, padding_BS: Tensor) -> "Packing | None":
        """The batch's packing; none = it is not worth it, or a gradient is wanted.

        For fp32 on a processor only: an accelerator would have to wait until the tokens are counted.

        Args:
            padding_BS: True = padding.

        """
        fits = padding_BS.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not torch.is_grad_enabled()
        if not fits:
            return None
        place_P = (~padding_BS).flatten().nonzero().squeeze(1)
        worth = _FEWEST_TOKENS <= place_P.numel() <= _LARGEST_SHARE * padding_BS.numel()
        return cls(place_P, padding_BS.shape) if worth else None

    def packed(self, x_BSD: Tensor) -> Tensor:
        """The tokens' rows [P, D] alone."""
        return x_BSD.flatten(0, 1).index_select(0, self.place_P)

    def padded(self, x_PD: Tensor) -> Tensor:
        """Their rows at their places [B, S, D], and zeros at the padding."""
        x_MD = x_PD.new_zeros(self.shape.numel(), x_PD.size(1))
        return x_MD.index_copy_(0, self.place_P, x_PD).view(*self.shape, -1)
