"""What objectives are made from, this package's and those of plugins."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from intelligen.config.experiment import Trial
from intelligen.decoding.bounds import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.strategies.rewards import Decode
from intelligen.strategies.standard import TeacherForcing


@dataclass(frozen=True)
class Parts:
    """The trial of an objective, and what it trains in."""

    trial: Trial
    model: Generator
    """Unwrapped, on its device, with the weights that training starts from."""
    wrap: Callable[[nn.Module], nn.Module]
    """Makes a module all-reduce its gradients, where there are several ranks."""
    decode: Decode
    """Target token ids → text."""
    world_size: int
    """Ranks that share an update."""

    @property
    def label_smoothing(self) -> float:
        """ε of every cross entropy."""
        return self.trial.training.label_smoothing

    @property
    def teacher(self) -> TeacherForcing:
        """The teacher-forced loss."""
        return TeacherForcing(label_smoothing=self.label_smoothing)

    @property
    def rollout_bound(self) -> LengthBound:
        """On the length of what is generated in training."""
        return LengthBound.of(self.trial.decoding)
