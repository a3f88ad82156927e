"""Length bound of hypotheses and rollouts: each source has its own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from intelligen.config.schema.decoding import Decoding
from intelligen.data.special_tokens import PAD


@dataclass(frozen=True)
class LengthBound:
    """At most ratio × source tokens + offset tokens, EOS included on both sides, and at most `longest`."""

    ratio: float
    offset: int
    longest: int | None = None

    @classmethod
    def of(cls, decoding: Decoding) -> "LengthBound":
        """The bound that the settings give."""
        return cls(decoding.max_length_ratio, decoding.max_length_offset)

    def of_sources(self, source_BS: Tensor) -> Tensor:
        """Most tokens (B,) of each source's hypotheses."""
        return self._of_lengths((source_BS != PAD).sum(dim=1))

    def of_width(self, source_BS: Tensor) -> int:
        """Most tokens of any source as wide as the batch: at least the largest of `of_sources`, which is not read."""
        return int(self._of_lengths(torch.tensor(source_BS.size(1))))

    def _of_lengths(self, length: Tensor) -> Tensor:
        bound = (length * self.ratio).long() + self.offset
        return bound if self.longest is None else bound.clamp(max=self.longest)
