"""Embeddings of tokens and positions (Vaswani et al. 2017)."""

import math

import torch
from torch import Tensor, nn

from intelligen.data.special_tokens import PAD


def embedding_table(vocabulary: int, d_model: int) -> nn.Embedding:
    """Rows from N(0, 1/d_model), so that they have unit variance once scaled by √d_model; the padding row is zero."""
    table = nn.Embedding(vocabulary, d_model, padding_idx=PAD)
    nn.init.normal_(table.weight, std=d_model**-0.5)
    with torch.no_grad():
        table.weight[PAD].zero_()
    return table


class Positions(nn.Module):
    """One vector per position: trained, or fixed waves."""

    table_PD: Tensor

    def __init__(self, count: int, d_model: int, *, learned: bool) -> None:
        super().__init__()
        if learned:
            self.table_PD = nn.Parameter(torch.empty(count, d_model))
            nn.init.normal_(self.table_PD, std=d_model**-0.5)
        else:
            self.register_buffer("table_PD", sinusoids(count, d_model), persistent=False)

    def forward(self, start: int, count: int, *, left_padding_N: Tensor | None = None) -> Tensor:
        """The vectors [count, D] of the positions from `start` on; [N, count, D] where rows begin behind padding.

        The padding's vectors mean nothing, and likewise those of rows that are carried on behind the last position.
        """
        if left_padding_N is not None:
            position_T = torch.arange(start, start + count, device=left_padding_N.device)
            return self.at(position_T - left_padding_N[:, None])
        assert start + count <= self.table_PD.size(0), f"position {start + count - 1} of {self.table_PD.size(0)}"
        return self.table_PD[start : start + count]

    def at(self, position: Tensor) -> Tensor:
        """The vectors [..., D] of these positions; those that there are not get the nearest one's."""
        return self.table_PD[position.clamp(0, self.table_PD.size(0) - 1)]


def sinusoids(positions: int, d_model: int) -> Tensor:
    """Vaswani et al. (2017), section 3.5; all the sines come first, as in the authors' code and in Marian."""
    frequency_H = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    angle_PH = torch.arange(positions)[:, None] * frequency_H
    return torch.cat([angle_PH.sin(), angle_PH.cos()], dim=1)
