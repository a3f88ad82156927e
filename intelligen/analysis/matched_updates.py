"""Matched updates: how many times the updates of `standard` take as long as a costly strategy's epoch."""

from collections.abc import Sequence
from statistics import fmean

from intelligen.config.schema.single_strategies import LEAST_RATIO, MOST_RATIO
from intelligen.state.history import Report


def updates_ratio(strategy: Sequence[Report], standard: Sequence[Report]) -> float:
    """The `updates_ratio` with which teacher forcing takes as long as a strategy.

    Validations are as many with both, so training alone counts, by processor time: other trials and other work on the
    machine lengthen the time of an epoch, and not that. On a GPU, which a trial has for itself, by the time.

    Args:
        strategy: Epochs of the trial that is compared.
        standard: Epochs of `standard`'s trials.

    """
    every = [*strategy, *standard]
    measure = "cost/processor_s" if all("cost/processor_s" in one.metrics for one in every) else "time/epoch_s"
    dear, plain = (fmean(report.metrics[measure] for report in reports) for reports in (strategy, standard))
    return round(min(max(dear / plain, LEAST_RATIO), MOST_RATIO), 2)
