"""Objectives of a search: measured on the validation set, or in time; never on a test set."""

from pydantic import model_validator

from intelligen.config.base import Settings
from intelligen.config.metric_direction import Direction
from intelligen.config.metric_direction import direction as direction_of
from intelligen.config.schema.tasks import DEFAULT_SELECTION_METRIC, SelectionMetric, SelectionMetricOrCost


class Objective(Settings):
    """What the search optimises: a metric of the validation set, never of a test set."""

    metric: SelectionMetric = DEFAULT_SELECTION_METRIC
    direction: Direction = "maximize"

    @model_validator(mode="after")
    def _sensible(self) -> "Objective":
        _require_use(self.metric, self.direction)
        return self


class OneOfSeveral(Settings):
    """One of several objectives. The first is of the validation set, and only it selects weights and stops trials."""

    metric: SelectionMetricOrCost
    """`time/epoch_s`: mean over the trial's epochs; `cost/device_s`: device-seconds of the whole trial."""
    direction: Direction

    @model_validator(mode="after")
    def _sensible(self) -> "OneOfSeveral":
        _require_use(self.metric, self.direction)
        return self


def _require_use(metric: str, direction: Direction) -> None:
    if direction != direction_of(metric):
        raise ValueError(f"{metric} cannot be {direction}d to any use: turn the direction round")
