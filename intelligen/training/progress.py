"""Progress of a training: all that the loop knows beside weights and optimizer; part of every checkpoint."""

from dataclasses import dataclass, field

from intelligen.config.metric_direction import improves


@dataclass
class Progress:
    """Its fields are keys of every checkpoint's `meta.json`."""

    update: int = 0
    epoch: int = 0
    """Whole epochs."""
    target_tokens: int = 0
    start_metrics: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the weights that a fine-tuning starts from; empty for a training from random weights."""
    best_value: float | None = None
    best_update: int = 0
    epochs_without_gain: int = 0
    rolled_back_epoch: int = 0
    """The last epoch after which training goes back to earlier weights; 0 = none."""
    adopted_epoch: int = 0
    """The last epoch after which it went on from another trial's weights; 0 = none."""
    epoch_ends: list[int] = field(default_factory=list)
    """Updates at which the last epochs ended, for averaging."""
    partial_sums: dict[str, list[float]] = field(default_factory=dict)
    """Of the epoch under way, this being a checkpoint inside it."""
    partial_seconds: float = 0.0
    partial_tokens: int = 0

    @property
    def kept_updates(self) -> set[int]:
        """Those whose checkpoints are still needed: to go on from, to select, to average."""
        return {self.update, self.best_update, *self.epoch_ends}

    def end_epoch(self, value: float, *, metric: str, averaged: int) -> None:
        """Count an epoch.

        Args:
            value: What its weights score in validation.
            metric: The name of that score.
            averaged: Of how many last epochs the weights are averaged.

        """
        self.epoch += 1
        self.partial_sums, self.partial_seconds, self.partial_tokens = {}, 0.0, 0
        self.epoch_ends = [*self.epoch_ends, self.update][-averaged:]
        if self.best_value is None or improves(metric, value, than=self.best_value):
            self.best_value, self.best_update, self.epochs_without_gain = value, self.update, 0
        else:
            self.epochs_without_gain += 1

    def adopt(self) -> None:
        """Go on with another trial's weights: what was to be averaged, waited for or rolled back is of those before."""
        self.adopted_epoch = self.epoch
        self.epoch_ends, self.epochs_without_gain, self.rolled_back_epoch = [], 0, 0
