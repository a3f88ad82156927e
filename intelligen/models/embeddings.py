"""A token enters the network as its embedding, scaled to the size of the position that is added to it."""

import math

import torch
from torch import Tensor, nn

from intelligen.config.model import Seq2Seq
from intelligen.data.tokens import PAD


def embedding_table(vocabulary: int, d_model: int) -> nn.Embedding:
    """Rows from N(0, 1/d_model), so that they have unit variance once scaled by √d_model; the padding row is zero."""
    table = nn.Embedding(vocabulary, d_model, padding_idx=PAD)
    nn.init.normal_(table.weight, std=d_model**-0.5)
    with torch.no_grad():
        table.weight[PAD].zero_()
    return table


class Positions(nn.Module):
    """One vector per position, up to `max_positions`."""

    table_PD: Tensor

    def __init__(self, config: Seq2Seq) -> None:
        super().__init__()
        shape = (config.max_positions, config.d_model)
        if config.positions == "learned":
            self.table_PD = nn.Parameter(torch.empty(shape))
            nn.init.normal_(self.table_PD, std=config.d_model**-0.5)
        else:
            self.register_buffer("table_PD", sinusoids(*shape), persistent=False)

    def forward(self, start: int, count: int) -> Tensor:
        """The vectors [count, D] of the positions from `start` on."""
        end = start + count
        assert end <= self.table_PD.size(0), f"position {end - 1} of {self.table_PD.size(0)}"
        return self.table_PD[start:end]


def sinusoids(positions: int, d_model: int) -> Tensor:
    """Vaswani et al. (2017), section 3.5; all the sines come first, as in the authors' code and in Marian."""
    frequency_H = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    angle_PH = torch.arange(positions)[:, None] * frequency_H
    return torch.cat([angle_PH.sin(), angle_PH.cos()], dim=1)
