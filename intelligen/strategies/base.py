"""Strategy and criterion: from one update's micro-batches to one change of the weights."""

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor, nn

from intelligen.config.schema.training import Training
from intelligen.data.batches import BatchT, Rows
from intelligen.data.device_transfer import to_device
from intelligen.decoding.token_sampling import row_uniforms
from intelligen.models.interfaces import ModelT
from intelligen.models.row_masks import masks_of_rows, row_keys
from intelligen.optimization import Loss, MetricSums, Updater, autocast


@dataclass(frozen=True)
class UpdateContext:
    """Progress at an update. Every random draw is a function of it, so a resume needs no generator's state."""

    seed: int
    update: int
    """1, 2, …, total_updates."""
    total_updates: int
    rank: int = 0
    part_tokens: int | None = None
    """Most padded tokens that this rank holds at once in it, as its micro-batches keep to; none = any number."""

    @property
    def progress(self) -> float:
        """0 at the first update, 1 at the last."""
        return (self.update - 1) / max(1, self.total_updates - 1)

    def uniform(self, purpose: str) -> float:
        """One draw from [0, 1) that all ranks and micro-batches share, such as which branch an update takes."""
        return torch.rand((), generator=torch.Generator().manual_seed(self._derive(purpose))).item()

    def uniforms(
        self, purpose: str, rows: Rows, *, width: int, samples: int = 1, device: torch.device | None = None
    ) -> Tensor:
        """Draws [B·samples, width] from [0, 1) that depend on each row's place in its split, and on nothing else.

        So neither padding nor the rows beside it, micro-batches or ranks change what is drawn for a row.
        """
        return to_device(row_uniforms(self._derive(purpose), rows, width=width, samples=samples), device)

    def seed_dropout(self) -> None:
        """Seed torch's default generators, which dropout draws from, for this update on this rank."""
        torch.manual_seed(self._derive(f"dropout/{self.rank}"))

    def row_keys(self, purpose: str, rows_N: Tensor) -> Tensor:
        """A random number for each row, that depends on the row's own number and on nothing else."""
        return row_keys(self._derive(purpose), rows_N)

    def _derive(self, purpose: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{self.update}/{purpose}".encode()).digest()[:7])


class Criterion(ABC, Generic[ModelT, BatchT]):
    """What an update learns from. Most criteria are a loss alone; a game or a mixture has more to do and to keep.

    Plain `Criterion` is one of generators and sentence pairs; one of classifiers is `Criterion[Classifier, …]`, with
    the batches of its task.
    """

    @abstractmethod
    def __call__(self, model: ModelT, batch: BatchT, step: UpdateContext) -> Loss:
        """The micro-batch's share of the update's loss.

        It is computed inside the forward of `LossModule`, so that a gradient may be taken through any of the model's
        methods, on several ranks too.
        """

    def prepare(self, micro_batches: Sequence[BatchT], step: UpdateContext) -> MetricSums:
        """Do what an update needs before its gradient pass, over all of this rank's micro-batches.

        Called once per update on every rank, so it may communicate between ranks. Returns what is to be reported.
        """
        return MetricSums()

    def observe(self, metrics: Mapping[str, float], *, epoch: int) -> bool:
        """Hear a validation's metrics, the same on every rank; at epoch 0, of the weights that training starts from.

        Returns:
            Whether training is to go back to the last good weights.

        """
        return False

    def divergence(self) -> str | None:
        """Why what this criterion itself trains cannot go on, the same on every rank; none where it can."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs beside the model and its optimizer; the same on every rank."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        assert not state, "a criterion that keeps a state must load it"

    def roll_back(self, state: dict[str, Any]) -> None:
        """Take up the state that belongs to earlier weights, which training goes back to."""
        self.load_state_dict(state)


class LossModule(nn.Module, Generic[ModelT, BatchT]):
    """A criterion and its model as one module (batch, step) → loss.

    DistributedDataParallel adds up the ranks' gradients only where they are taken through the forward of what it wraps.
    The parameters are the model's, under other names.

    Args:
        model: The unwrapped model.
        criterion: What an update learns from.
        dropout_by_row: Whether a row's masks are a function of seed, update and row.

    """

    def __init__(self, model: ModelT, criterion: Criterion[ModelT, BatchT], *, dropout_by_row: bool) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self._dropout_by_row = dropout_by_row

    def forward(self, batch: BatchT, step: UpdateContext) -> Loss:
        """The micro-batch's share of the update's loss."""
        device = next(self.model.parameters()).device
        rows_B = torch.from_numpy(batch.rows).to(device) if self._dropout_by_row else None
        with masks_of_rows(None if rows_B is None else step.row_keys("dropout", rows_B)):
            return self.criterion(self.model, batch, step)


class Strategy(Generic[ModelT, BatchT]):
    """A criterion, the model it trains, and the optimizer.

    Args:
        model: The unwrapped model, which evaluation decodes with.
        criterion: What an update learns from.
        wrap: Makes a module all-reduce its gradients, where there are several ranks.
        training: Optimizer, schedule and precision.
        total_updates: Length of the run.
        world_size: Ranks that share an update.

    """

    def __init__(
        self,
        model: ModelT,
        criterion: Criterion[ModelT, BatchT],
        *,
        wrap: Callable[[nn.Module], nn.Module],
        training: Training,
        total_updates: int,
        world_size: int,
    ) -> None:
        self.model = model
        self.criterion = criterion
        self._precision = training.precision
        self._unwrapped = LossModule(model, criterion, dropout_by_row=training.dropout_by_row)
        self._loss = wrap(self._unwrapped)
        self._updater = Updater(self._loss, training, total_updates=total_updates, world_size=world_size)

    def train_step(self, micro_batches: Sequence[BatchT], step: UpdateContext) -> MetricSums:
        """Make one update from this rank's micro-batches, its dropout seeded by the step."""
        step.seed_dropout()
        sums = self.criterion.prepare(micro_batches, step)
        losses = [lambda batch=batch: self._loss(batch, step) for batch in micro_batches]
        sums.add(self._updater.update(losses, update=step.update))
        return sums

    def rehearse(self, micro_batches: Sequence[BatchT], step: UpdateContext) -> None:
        """Do all of an update but its step, and leave no trace: no gradients, no draws, nothing that was learnt.

        Like `train_step`, it takes all ranks; their gradients are not added up.
        """
        device = next(self.model.parameters()).device
        before = copy.deepcopy(self.criterion.state_dict())
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            step.seed_dropout()
            self.criterion.prepare(micro_batches, step)
            for batch in micro_batches:
                with autocast(device, self._precision):
                    total = self._unwrapped(batch, step).total
                total.backward()
        self.model.zero_grad(set_to_none=True)
        self.criterion.load_state_dict(before)

    def divergence(self) -> str | None:
        """Why training cannot go on, the same on every rank; none where it can."""
        return self._updater.divergence() or self.criterion.divergence()

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs beside the model's weights."""
        return {"updater": self._updater.state_dict(), "objective": self.criterion.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._updater.load_state_dict(state["updater"])
        self.criterion.load_state_dict(state["objective"])

    def roll_back(self, state: dict[str, Any]) -> None:
        """Take up the state that belongs to earlier weights."""
        self._updater.load_state_dict(state["updater"])
        self.criterion.roll_back(state["objective"])

    def reset_optimizer(self) -> None:
        """Start the optimizer anew: its moments belong to weights that training has left."""
        self._updater.reset_optimizer()
