"""A strategy turns one update's micro-batches into one change of the weights; most are just an objective."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from intelligen.data.batches import Batch
from intelligen.optimization import Loss, Sums, Updater


@dataclass(frozen=True)
class Step:
    """Where training stands. Every random draw is a function of it, so a resume needs no generator's state."""

    seed: int
    update: int
    """1, 2, …, total_updates."""
    total_updates: int
    rank: int = 0

    def generator(self, purpose: str, *, device: torch.device | None = None) -> torch.Generator:
        """Draws that all ranks share, such as which branch an update takes."""
        return _seeded(f"{self.seed}/{self.update}/{purpose}", device)

    def rank_generator(self, purpose: str, *, device: torch.device | None = None) -> torch.Generator:
        """Draws of this rank alone, such as sampled tokens."""
        return _seeded(f"{self.seed}/{self.update}/{purpose}/{self.rank}", device)

    def seed_dropout(self) -> None:
        """Seed torch's default generators, which dropout draws from, for this update on this rank."""
        torch.manual_seed(_derive(f"{self.seed}/{self.update}/dropout/{self.rank}"))


class Objective(Protocol):
    """One micro-batch's loss. The gradient pass goes through `forward`, which may be wrapped for several ranks."""

    def __call__(self, forward: nn.Module, batch: Batch, step: Step) -> Loss:
        """The micro-batch's share of the update's loss."""


class Strategy(Protocol):
    """What the training loop knows of a strategy."""

    @property
    def model(self) -> nn.Module:
        """What evaluation decodes with: unwrapped."""

    def train_step(self, micro_batches: Sequence[Batch], step: Step) -> Sums:
        """Make one update from this rank's micro-batches."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs beside the model's weights."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


class ObjectiveStrategy:
    """A strategy of one model and one optimizer.

    Args:
        model: The unwrapped model.
        forward: The same model, wrapped for several ranks where there are several.
        objective: The loss of a micro-batch.
        updater: The optimizer's owner.

    """

    def __init__(self, model: nn.Module, *, forward: nn.Module, objective: Objective, updater: Updater) -> None:
        self.model = model
        self._forward = forward
        self._objective = objective
        self._updater = updater

    def train_step(self, micro_batches: Sequence[Batch], step: Step) -> Sums:
        """One update, its dropout seeded by the step."""
        step.seed_dropout()
        losses = [lambda batch=batch: self._objective(self._forward, batch, step) for batch in micro_batches]
        return self._updater.update(losses, update=step.update)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state."""
        return self._updater.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._updater.load_state_dict(state)


def _derive(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def _seeded(name: str, device: torch.device | None) -> torch.Generator:
    return torch.Generator(device or "cpu").manual_seed(_derive(name))
