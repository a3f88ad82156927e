"""Parts that criteria are made from, this package's and those of plugins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from intelligen.config.schema.experiment import Trial
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.optimization import Loss
from intelligen.strategies.rewards import Decode
from intelligen.strategies.teacher_forcing import TeacherForcing

TaskLoss = Callable[[Any, Any], Loss]
"""Model, batch → the micro-batch's share of what a task minimises by itself, where its models write nothing."""


@dataclass(frozen=True)
class CriterionParts:
    """The trial of a criterion, and what it trains in."""

    trial: Trial
    model: Generator
    """Unwrapped, on its device, with the weights that training starts from."""
    wrap: Callable[[nn.Module], nn.Module]
    """Makes a module all-reduce its gradients, where there are several ranks."""
    decode: Decode
    """Target token ids → text."""
    loss: TaskLoss
    """The task's own, where its models write nothing."""
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
