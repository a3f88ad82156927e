"""Setup of a training: what one process trains a trial with, put together once."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from intelligen.config.schema.experiment import Trial
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared
from intelligen.state.history import History, Report
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.tasks import AnyTask
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.initial_loading import Loaded
from intelligen.training.runtime import Runtime
from intelligen.training.trial_memory import TrialMemory


@dataclass(frozen=True)
class Setup:
    """The parts of a training."""

    trial: Trial
    """With the settings that it has now."""
    task: AnyTask
    runtime: Runtime
    prepared: Prepared
    model: nn.Module
    loader: Loader[Any]
    strategy: Strategy[Any, Any]
    epoch_updates: int
    """Updates of each epoch."""
    checkpoints: Checkpoints
    history: History | None
    """Rank 0 keeps it, and is the one to write; none on the others."""
    memory: TrialMemory
    initial: Loaded | None = None
    """What became of the trial's initial weights, where it has some."""

    @property
    def total_updates(self) -> int:
        """Updates of all epochs."""
        return self.epoch_updates * self.trial.training.epochs

    def update_context(self, update: int, *, at_most: int | None) -> UpdateContext:
        """Of an update whose micro-batches the loader was asked to keep to `at_most` tokens."""
        return UpdateContext(
            self.trial.seed,
            update,
            self.total_updates,
            self.runtime.rank,
            part_tokens=self.loader.part_tokens(at_most),
        )

    @property
    def selection_metric(self) -> str:
        """The metric that chooses the best epoch."""
        return self.trial.task.selection_metric

    @property
    def reports(self) -> list[Report]:
        """Reports of the epochs so far, on rank 0; none on the others."""
        return [] if self.history is None else self.history.reports
