"""Length bound of hypotheses and rollouts: each source has its own."""

from dataclasses import dataclass

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
        bounds_B = ((source_BS != PAD).sum(dim=1) * self.ratio).long() + self.offset
        return bounds_B if self.longest is None else bounds_B.clamp(max=self.longest)
