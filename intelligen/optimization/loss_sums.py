"""A micro-batch's loss and its metric sums: sum, count, divide once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Sum = Tensor | float
"""A number that the processor knows, or one that is still computed: a scalar in fp64 on its device."""


class MetricSums:
    """Named numerators and denominators that add up over micro-batches, updates and ranks."""

    def __init__(self, pairs: Mapping[str, tuple[Sum, Sum]] | None = None) -> None:
        # Numbers stay on the processor and tensors on the device: to copy either would make the processor wait.
        self._pairs = {
            name: (_wide(numerator), _wide(denominator)) for name, (numerator, denominator) in (pairs or {}).items()
        }

    def add(self, other: "MetricSums") -> None:
        """Add another's numerators and denominators to these."""
        for name, (numerator, denominator) in other._pairs.items():
            if name in self._pairs:
                own_numerator, own_denominator = self._pairs[name]
                numerator, denominator = own_numerator + numerator, own_denominator + denominator
            self._pairs[name] = numerator, denominator

    def means(self) -> dict[str, float]:
        """Numerator / denominator of every name whose denominator is not 0."""
        pairs = self.to_lists()
        return {name: numerator / denominator for name, (numerator, denominator) in pairs.items() if denominator}

    def to_lists(self) -> dict[str, list[float]]:
        """Plain numbers, for a checkpoint or another rank; each device is waited for once."""
        numbers = iter(_read([one for pair in self._pairs.values() for one in pair]))
        return {name: [next(numbers), next(numbers)] for name in self._pairs}

    @classmethod
    def from_lists(cls, pairs: Mapping[str, list[float]]) -> "MetricSums":
        """The inverse of `to_lists`."""
        return cls({name: (numerator, denominator) for name, (numerator, denominator) in pairs.items()})


def _wide(value: Sum) -> Sum:
    return value.detach().double() if isinstance(value, Tensor) else float(value)


def _read(sums: Sequence[Sum]) -> list[float]:
    """The sums as numbers, those of one device in one copy."""
    read = {place: one for place, one in enumerate(sums) if not isinstance(one, Tensor)}
    tensors = {place: one for place, one in enumerate(sums) if isinstance(one, Tensor)}
    for device in {tensor.device for tensor in tensors.values()}:
        of_device = {place: tensor for place, tensor in tensors.items() if tensor.device == device}
        read |= zip(of_device, torch.stack([*of_device.values()]).tolist(), strict=True)
    return [read[place] for place in range(len(sums))]


@dataclass(frozen=True)
class Loss:
    """One micro-batch's share of an update's loss."""

    total: Tensor
    """Scalar. The shares of all micro-batches on all ranks add up to the update's loss (divisors are global)."""
    sums: MetricSums = field(default_factory=MetricSums)
    """What is reported of it."""
