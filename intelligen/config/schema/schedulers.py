"""Scheduler settings: ASHA, Hyperband, median stopping, population based training."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from intelligen.config.base import Settings
from intelligen.config.schema.probability_schedule import Share


class Asha(Settings):
    """Asynchronous successive halving (Li et al. 2020): of the trials that reach a rung, the best 1/η continue."""

    name: Literal["asha"] = "asha"
    grace_epochs: PositiveInt = 1
    """No trial is stopped before this epoch."""
    reduction_factor: Annotated[int, Field(ge=2)] = 2
    """η"""


class Hyperband(Settings):
    """ASHA in several brackets (Li et al. 2018): each starts its rungs η times later, and the last one stops no trial.

    This helps if early epochs of the objective mislead. A trial's bracket is drawn from its name, in the proportions of
    the source's algorithm 1.
    """

    name: Literal["hyperband"] = "hyperband"
    grace_epochs: PositiveInt = 1
    """The first rung of the first bracket: no trial is stopped earlier."""
    reduction_factor: Annotated[int, Field(ge=2)] = 2
    """η"""


class Median(Settings):
    """Median stopping (Golovin et al. 2017, sec. 3.2.1): a trial stops if its best is worse than most others' means.

    Its best objective so far is compared with the median, over the trials that reached the same epoch, of the mean of
    their objectives up to it.
    """

    name: Literal["median"] = "median"
    grace_epochs: PositiveInt = 1
    """No trial is stopped before this epoch, and earlier epochs of the others do not count."""
    least_trials: PositiveInt = 3
    """No trial is stopped before this many others have reached the same epoch."""


class Pbt(Settings):
    """Population-based training (Jaderberg et al. 2017): trials train in intervals, and the worst exploit the best.

    After an interval, each trial of the lower quantile exploits one of the upper: it copies weights, optimizer and
    values, and changes the values. All of them are of one strategy. It stops no trial.
    """

    name: Literal["pbt"] = "pbt"
    population: Annotated[int, Field(ge=2)] = 4
    """Trials of one strategy that train together, in the order in which they were started."""
    interval_epochs: PositiveInt = 1
    """Epochs of an interval."""
    quantile: Annotated[float, Field(gt=0.0, le=0.5)] = 0.25
    """Share of the trials that exploit others, and of those that are exploited; at least one of each."""
    perturbation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """A copied value is multiplied by 1 − this or 1 + this; if that leaves its range, it is kept."""
    resample_probability: Share = 0.25
    """The probability that a copied value is drawn again from its range instead."""


class NoScheduler(Settings):
    """Every trial finishes."""

    name: Literal["none"] = "none"


Scheduler = Annotated[Asha | Hyperband | Median | Pbt | NoScheduler, Field(discriminator="name")]
