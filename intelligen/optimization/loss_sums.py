"""A micro-batch's loss and its metric sums: sum, count, divide once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


class MetricSums:
    """Named numerators and denominators that add up over micro-batches, updates and ranks."""

    def __init__(self, pairs: Mapping[str, tuple[Tensor | float, Tensor | float]] | None = None) -> None:
        self._pairs: dict[str, Tensor] = {}
        for name, (numerator, denominator) in (pairs or {}).items():
            values = [
                value.detach().double() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
                for value in (numerator, denominator)
            ]
            # Stays on the device: reading it back at every update would make the processor wait.
            device = max((value.device for value in values), key=lambda one: one.type != "cpu")
            self._pairs[name] = torch.stack([value.to(device) for value in values])

    def add(self, other: "MetricSums") -> None:
        """Add another's numerators and denominators to these."""
        for name, pair in other._pairs.items():
            # Sums from a checkpoint lie on the processor, those of an update where it was computed.
            self._pairs[name] = self._pairs[name].to(pair.device) + pair if name in self._pairs else pair

    def means(self) -> dict[str, float]:
        """Numerator / denominator of every name whose denominator is not 0."""
        pairs = {name: pair.tolist() for name, pair in self._pairs.items()}
        return {name: numerator / denominator for name, (numerator, denominator) in pairs.items() if denominator}

    def to_lists(self) -> dict[str, list[float]]:
        """Plain numbers, for a checkpoint or another rank."""
        return {name: pair.tolist() for name, pair in self._pairs.items()}

    @classmethod
    def from_lists(cls, pairs: Mapping[str, list[float]]) -> "MetricSums":
        """The inverse of `to_lists`."""
        return cls({name: (numerator, denominator) for name, (numerator, denominator) in pairs.items()})


@dataclass(frozen=True)
class Loss:
    """One micro-batch's share of an update's loss."""

    total: Tensor
    """Scalar. The shares of all micro-batches on all ranks add up to the update's loss (divisors are global)."""
    sums: MetricSums = field(default_factory=MetricSums)
    """What is reported of it."""
