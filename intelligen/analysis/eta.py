"""Estimated time of a search: known once one of its trials has ended, and only as a range."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from intelligen.analysis.strategy_table import USABLE
from intelligen.config.schema.sweep import Sweep
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState


@dataclass(frozen=True)
class Eta:
    """Seconds until search and confirmation have ended; starting trials and scoring the test sets come on top."""

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
    """Of a trial that finishes."""
    concurrent: int
    repetitions: int = 0
    """Most trainings after it that repeat its best trials with other seeds; none of them is stopped early."""
    least_repetitions: int = 0
    """Those of them that are trained in any case."""

    @classmethod
    def of(cls, sweep: Sweep, *, epochs: int, concurrent: int) -> "SearchSize":
        """All trials of a sweep, those of own controls included."""
        bound = sweep.total_trials()
        return cls(
            trials=None if bound is None else bound + sweep.total_control_trials(),
            epochs=epochs,
            concurrent=concurrent,
            repetitions=sweep.total_repetitions(),
            least_repetitions=sweep.least_repetitions(),
        )


Ran = Sequence[tuple[TrialRecord, Sequence[Report]]]
"""Trials that have been started, with their histories."""


def search_eta(searched: Ran, size: SearchSize, *, repeated: Ran = ()) -> Eta | None:
    """Time left of a search, by its own epochs; None before a trial has ended, or without a number of trials.

    Args:
        searched: The search's trials; not the baselines.
        size: The whole of it.
        repeated: What confirms its best ones.

    """
    ended = [_seconds(reports) for record, reports in searched if record.state in USABLE]
    epochs = [epoch_seconds(report) for _, reports in searched for report in reports]
    if size.trials is None or not ended or not epochs:
        return None
    as_so_far, whole = sum(ended) / len(ended), size.epochs * sum(epochs) / len(epochs)
    spent = _spent(searched, size.trials)
    low, high = (_shared([each - seconds for seconds in spent], size.concurrent) for each in (as_so_far, whole))
    fewest, most = (
        _shared([whole - seconds for seconds in _spent(repeated, count)], size.concurrent)
        for count in (size.least_repetitions, size.repetitions)
    )
    return Eta(low + fewest, max(low, high) + most)


def _spent(ran: Ran, count: int) -> list[float]:
    """Seconds so far of each trial that has not ended; 0 for those that have not begun."""
    under_way = [_seconds(reports) for record, reports in ran if record.state is TrialState.RUNNING]
    return under_way + [0.0] * (count - len(ran))


def eta_words(eta: Eta) -> str:
    """A range, or one duration where both bounds are the same in words."""
    return " to ".join(dict.fromkeys(map(duration, (eta.low_s, eta.high_s))))


def duration(seconds: float) -> str:
    """In the unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def epoch_seconds(report: Report) -> float:
    """Training and validation of one epoch."""
    return report.metrics["time/epoch_s"] + report.metrics["time/validation_s"]


def _seconds(reports: Iterable[Report]) -> float:
    return sum(epoch_seconds(report) for report in reports)


def _shared(left: Sequence[float], concurrent: int) -> float:
    """Seconds until all remaining times are spent, so many trials at a time; at least the longest of them."""
    positive = [max(0.0, seconds) for seconds in left]
    return max([sum(positive) / concurrent, *positive])
