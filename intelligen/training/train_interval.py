"""Train interval: how far a trial of a population trains before it may take another one's weights."""

from dataclasses import dataclass

from intelligen.config.schema.experiment import Trial


@dataclass(frozen=True)
class TrainInterval:
    """Settings and last epoch of a trial until its population decides again."""

    settings: Trial
    """What it trains with; the same network, data and updates as at its beginning."""
    until_epoch: int
    """After which it is paused, unless it has come to its end."""
    adopted_update: int | None = None
    """Where it goes on from another trial's checkpoint, as `Checkpoints.adopt` copied it: that checkpoint's update."""

    @classmethod
    def whole(cls, trial: Trial) -> "TrainInterval":
        """The interval of a trial that is in no population: all of its epochs."""
        return cls(trial, trial.training.epochs)
