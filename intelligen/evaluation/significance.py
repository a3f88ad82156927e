"""Significance of differences between systems: intervals over both seeds and sentences.

Formulas, sources and what all this does not say: docs/statistics.md. Axes: S seeds, M sentences, R resamples.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final, Literal

import numpy as np

from intelligen.evaluation.bootstrap_resampling import Floats, resampled_sums
from intelligen.evaluation.confidence_interval import RESAMPLES, Interval, interval
from intelligen.evaluation.metric import Expected, Metric, Predicted

ALPHA: Final = 0.05
POWER: Final = 0.8
# Nobody trains more.
_MOST_SEEDS: Final = 10_000
# Of a smaller one, with two seeds, the quantile's square is more than a float holds.
_LEAST_TAIL: Final = 1e-100


@dataclass(frozen=True)
class Comparison:
    """A strategy beside its control, in the unit of a metric."""

    delta: float
    """Mean over the seeds of the difference, ours less the control's; whether that is better, the metric says."""
    low: float
    high: float
    """Bounds of its 95 % interval."""
    p_value: float
    """Two-sided, of no difference. Below 0.05 exactly where the interval leaves 0 out."""
    effect_size: float | None
    """Hedges' g: the difference in units of its standard deviation between seeds, corrected for few seeds. None below
    three seeds, or where seeds do not differ."""
    seeds: int
    seeds_needed: int | None
    """Seeds with which a difference of this size is found in four of five studies, however many comparisons were to
    be corrected together. None where it is zero, where no number of seeds suffices on this test set, and with one seed,
    which does not show how seeds differ."""
    over: Literal["seeds × rows", "rows"]
    """What the interval is over; with one seed it holds for this seed alone."""
    standard_error: float
    """Of `delta`. The interval reaches further than twice so far where there are few seeds."""


@dataclass(frozen=True)
class _Spread:
    """How a mean over seeds varies, by two causes."""

    between: float
    """Variance between seeds, with what the choice of sentences does to a seed alone."""
    common: float
    """Variance by the choice of sentences, of what it does to all seeds alike; more seeds do not lower it."""
    seeds: int
    sentences: int

    def error(self) -> float:
        """Standard error of the mean."""
        return sqrt(self.between / self.seeds + self.common)

    def reach(self, tail: float, *, seeds: int | None = None, power: float = 0.5) -> float:
        """How far a mean of so many seeds may lie from its expectation, with this probability beyond on either side.

        Each cause's own half-width, squared, summed (Banerjee 1960): for normal errors it covers at least as often as
        it says, whatever the shares of the two causes, and exactly so where there is one. With a power, how far an
        expectation must lie from 0 to be found with it.
        """
        seeds = seeds or self.seeds
        parts = [(self.common, self.sentences - 1)] + ([(self.between / seeds, seeds - 1)] if seeds > 1 else [])
        return sqrt(sum(variance * _quantiles(tail, power, degrees) ** 2 for variance, degrees in parts))


def compare_systems(
    ours: Sequence[Sequence[Predicted]],
    control: Sequence[Sequence[Predicted]],
    references: Sequence[Expected],
    *,
    metric: Metric[Predicted, Expected],
    family: int = 1,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """The difference of a metric's mean over seeds between a strategy and its control.

    Args:
        ours: Predictions by seed, in the test set's order.
        control: Of the same seeds in the same order: differences are paired.
        references: What the metric takes them for.
        metric: By which they are scored.
        family: With how many comparisons, itself among them, its p-value will be corrected. So many seeds are needed
            that it is found at α / family, which Holm's correction never undercuts; p and interval are its own.
        resamples: Of the sentences.
        seed: Of the resampling.

    Raises:
        ValueError: Seeds or sentences do not match, or there is no seed, or fewer than two sentences.

    """
    if not ours or len(ours) != len(control):
        raise ValueError(f"differences are paired by seed: got {len(ours)} and {len(control)} lists of hypotheses")
    metric = metric.over([*ours, *control], references)
    return compare_statistics(
        _statistics(ours, references, metric),
        _statistics(control, references, metric),
        metric=metric,
        family=family,
        resamples=resamples,
        seed=seed,
    )


def compare_statistics(
    ours_SMK: Floats,
    control_SMK: Floats,
    *,
    metric: Metric[Predicted, Expected],
    family: int = 1,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """The same from the sentences' statistics (`Metric.statistics`)."""
    seeds, sentences, _ = ours_SMK.shape
    both = np.stack([metric.value(side_SMK.sum(axis=1)) for side_SMK in (ours_SMK, control_SMK)])
    sums_RSK = resampled_sums(np.concatenate([ours_SMK, control_SMK]), resamples=resamples, seed=seed)
    scores_RS = metric.value(sums_RSK)
    deltas_S, deltas_RS = both[0] - both[1], scores_RS[:, :seeds] - scores_RS[:, seeds:]
    spread = _spread(deltas_S, deltas_RS, sentences=sentences)
    delta, reach = float(deltas_S.mean()), spread.reach(ALPHA / 2)
    return Comparison(
        delta=delta,
        low=delta - reach,
        high=delta + reach,
        p_value=_p_value(delta, spread),
        effect_size=_hedges_g(delta, spread),
        seeds=seeds,
        seeds_needed=_seeds_needed(delta, spread, tail=ALPHA / family / 2),
        over="rows" if seeds == 1 else "seeds × rows",
        standard_error=spread.error(),
    )


def mean_interval(
    systems: Sequence[Sequence[Predicted]],
    references: Sequence[Expected],
    *,
    metric: Metric[Predicted, Expected],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A metric's mean over seeds with its 95 % interval over seeds × sentences; of one seed its `interval`.

    Args:
        systems: Predictions by seed, in the test set's order.
        references: What the metric takes them for.
        metric: By which they are scored.
        resamples: Of the sentences.
        seed: Of the resampling.

    Raises:
        ValueError: There is no seed, predictions and references are not as many, or with several seeds fewer than two.

    """
    if not systems:
        raise ValueError("a mean over seeds needs a seed")
    if len(systems) == 1:
        return interval(systems[0], references, metric=metric, resamples=resamples, seed=seed)
    statistics_SMK = _statistics(systems, references, metric.over(systems, references))
    scores_S = metric.value(statistics_SMK.sum(axis=1))
    scores_RS = metric.value(resampled_sums(statistics_SMK, resamples=resamples, seed=seed))
    spread = _spread(scores_S, scores_RS, sentences=len(references))
    mean, reach = float(scores_S.mean()), spread.reach(ALPHA / 2)
    least, most = metric.range
    return Interval(mean, max(least, mean - reach), min(most, mean + reach))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that may be compared with α together, in the order given (Holm 1979, step-down)."""
    rising = np.argsort(p_values, kind="stable")
    times = np.arange(len(p_values), 0, -1)
    corrected = np.minimum(1.0, np.maximum.accumulate(times * np.asarray(p_values)[rising]))
    return [float(corrected[rank]) for rank in np.argsort(rising)]


def _statistics(
    systems: Sequence[Sequence[Predicted]], references: Sequence[Expected], metric: Metric[Predicted, Expected]
) -> Floats:
    return np.stack([metric.statistics(predictions, references) for predictions in systems])


def _spread(values_S: Floats, values_RS: Floats, *, sentences: int) -> _Spread:
    """Variance components as Obuchowski & Rockette (1995) have them: seeds are their readers, sentences their cases."""
    if sentences < 2:
        raise ValueError(f"sentences vary only among two or more, got {sentences}")
    seeds = len(values_S)
    covariance_SS = np.atleast_2d(np.cov(values_RS, rowvar=False))
    if seeds == 1:
        return _Spread(0.0, float(covariance_SS[0, 0]), seeds, sentences)
    alike = float(covariance_SS[~np.eye(seeds, dtype=bool)].mean())
    # The mean of equal numbers may not be equal to them.
    between = float(values_S.var(ddof=1)) if np.ptp(values_S) else 0.0
    return _Spread(between, max(0.0, alike), seeds, sentences)


def _quantiles(tail: float, power: float, degrees: int) -> float:
    from scipy import special

    return float(special.stdtrit(degrees, power) - special.stdtrit(degrees, tail))


def _p_value(delta: float, spread: _Spread) -> float:
    """Twice the tail whose reach is the difference itself."""
    if delta == 0:
        return 1.0

    def beyond(log_tail: float) -> float:
        return abs(delta) - spread.reach(exp(log_tail))

    low, high = log(_LEAST_TAIL), log(0.5)
    if beyond(low) > 0:
        return 0.0
    if beyond(high) <= 0:
        return 1.0
    from scipy import optimize  # takes half a second, which most launches need not wait

    return 2 * exp(optimize.brentq(beyond, low, high))


def _hedges_g(delta: float, spread: _Spread) -> float | None:
    degrees = spread.seeds - 1
    if degrees < 2 or spread.between == 0:
        return None
    from scipy import special

    # Hedges 1981, the exact correction.
    log_correction = special.gammaln(degrees / 2) - special.gammaln((degrees - 1) / 2) - np.log(degrees / 2) / 2
    return float(delta / spread.between**0.5 * np.exp(log_correction))


def _seeds_needed(delta: float, spread: _Spread, *, tail: float) -> int | None:
    if delta == 0 or spread.seeds == 1:
        return None

    def suffices(seeds: int) -> bool:
        return spread.reach(tail, seeds=seeds, power=POWER) <= abs(delta)

    found = bisect_left(range(_MOST_SEEDS + 1), True, lo=2, key=suffices)
    return found if found <= _MOST_SEEDS else None
