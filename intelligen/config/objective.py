"""What a search optimises is measured on the validation set, or in time; never on a test set."""

from typing import Literal

from pydantic import model_validator

from intelligen.config.base import Settings
from intelligen.config.metrics import higher_is_better

Direction = Literal["maximize", "minimize"]


class Objective(Settings):
    """What the search optimises; a metric of the validation set, never of a test set."""

    metric: Literal["valid/bleu", "valid/chrf", "valid/loss"] = "valid/bleu"
    direction: Direction = "maximize"

    @model_validator(mode="after")
    def _sensible(self) -> "Objective":
        _require_use(self.metric, self.direction)
        return self


class OneOfSeveral(Settings):
    """One of several objectives. The first is a metric of the validation set: trials select and stop by it alone."""

    metric: Literal["valid/bleu", "valid/chrf", "valid/loss", "time/epoch_s", "cost/device_s"]
    """`time/epoch_s`: mean over the trial's epochs; `cost/device_s`: device-seconds of the whole trial."""
    direction: Direction

    @model_validator(mode="after")
    def _sensible(self) -> "OneOfSeveral":
        _require_use(self.metric, self.direction)
        return self


def _require_use(metric: str, direction: Direction) -> None:
    if higher_is_better(metric) != (direction == "maximize"):
        raise ValueError(f"{metric} cannot be {direction}d to any use: turn the direction round")
