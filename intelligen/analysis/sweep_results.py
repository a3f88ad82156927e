"""Results of a sweep, for its table: the best of each strategy, and its Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass

from intelligen.analysis.strategy_table import StrategySummary
from intelligen.state.trial_records import TrialRecord

Front = Sequence[tuple[TrialRecord, Sequence[float]]]
"""Trials that no other betters in every objective, each with its objectives."""


@dataclass(frozen=True)
class SweepResults:
    """What the table of a sweep shows."""

    title: str
    """The sweep's question or name, without secrets."""
    metrics: Sequence[str]
    """The objectives'; by the first the best trial of a strategy is chosen."""
    scores: Sequence[str]
    """Of test sets, which are shown: `bleu`, …"""
    rows: Sequence[StrategySummary]
    """One per strategy."""
    front: Front
    """Empty with one objective."""
