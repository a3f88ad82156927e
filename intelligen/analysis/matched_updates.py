"""Matched updates: how many times the updates of `standard` take as long as a costly strategy's."""

from collections.abc import Sequence

from intelligen.config.schema.single_strategies import LEAST_RATIO, MOST_RATIO
from intelligen.state.history import Report


def updates_ratio(strategy: Sequence[Report], standard: Sequence[Sequence[Report]]) -> float:
    """The `updates_ratio` with which teacher forcing takes as long as a strategy.

    Validations are as many with both, so training alone counts, by processor time: other trials and other work on the
    machine lengthen the time of an epoch, and not that. On a GPU, which a trial has for itself, by the time. Of both it
    is that of a target, since the search may vary the size of updates and their number.

    Args:
        strategy: All epochs of the trial that is compared.
        standard: All epochs of each of `standard`'s trials.

    """
    trials = (strategy, *standard)
    known = all("cost/processor_s" in report.metrics for reports in trials for report in reports)
    measure = "cost/processor_s" if known else "time/epoch_s"
    ratio = _of_a_target([strategy], measure) / _of_a_target(standard, measure)
    return round(min(max(ratio, LEAST_RATIO), MOST_RATIO), 2)


def _of_a_target(trials: Sequence[Sequence[Report]], measure: str) -> float:
    whole = sum(report.metrics[measure] for reports in trials for report in reports)
    return whole / sum(reports[-1].target_tokens for reports in trials)
