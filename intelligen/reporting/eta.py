"""How long a search still takes can be told once one of its trials has ended, and only as a range."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from intelligen.tracking.leaderboard import USABLE
from intelligen.tracking.records import TrialRecord, TrialState
from intelligen.training.history import Report


@dataclass(frozen=True)
class Eta:
    """Seconds until the search has ended; starting trials and scoring the test sets come on top."""

    low_s: float
    """If the rest of it is stopped as early as what has ended so far."""
    high_s: float
    """If nothing more is stopped early."""


@dataclass(frozen=True)
class SearchSize:
    """What a search is to do in all."""

    trials: int | None
    """None where trials have no bound."""
    epochs: int
    """Of a trial that runs its course."""
    concurrent: int


def search_eta(searched: Sequence[tuple[TrialRecord, Sequence[Report]]], size: SearchSize) -> Eta | None:
    """What is left of a search, judged by its own epochs; none before a trial has ended, or without a number of trials.

    Args:
        searched: The trials that have been started, with their histories; not the baseline.
        size: The whole search.

    """
    ended = [_seconds(reports) for record, reports in searched if record.state in USABLE]
    epochs = [epoch_seconds(report) for _, reports in searched for report in reports]
    if size.trials is None or not ended or not epochs:
        return None
    spent = [_seconds(reports) for record, reports in searched if record.state is TrialState.RUNNING]
    spent += [0.0] * (size.trials - len(searched))
    as_so_far, whole = sum(ended) / len(ended), size.epochs * sum(epochs) / len(epochs)
    low, high = (_shared([each - seconds for seconds in spent], size.concurrent) for each in (as_so_far, whole))
    return Eta(low, max(low, high))


def epoch_seconds(report: Report) -> float:
    """Training and validation of one epoch."""
    return report.metrics["time/epoch_s"] + report.metrics["time/validation_s"]


def _seconds(reports: Iterable[Report]) -> float:
    return sum(epoch_seconds(report) for report in reports)


def _shared(left: Sequence[float], concurrent: int) -> float:
    """Seconds for what is left of each trial, so many trials at a time; the longest one cannot be shared."""
    positive = [max(0.0, seconds) for seconds in left]
    return max([sum(positive) / concurrent, *positive])
