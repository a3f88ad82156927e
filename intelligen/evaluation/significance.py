"""Differences between systems over seeds and sentences: their mean, and by what causes it varies.

Formulas, sources and what all this does not say: docs/statistics.md. A unit is a seed, or a search with its seeds
averaged. Axes: S seeds, U units, M sentences, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from intelligen.evaluation.bootstrap_resampling import Floats, resampled_sums
from intelligen.evaluation.confidence_interval import RESAMPLES, Interval, interval
from intelligen.evaluation.metric import Expected, Metric, Predicted

ALPHA: Final = 0.05
"""In how many studies any claim may be wrong; and what an interval of 95 % leaves out."""


@dataclass(frozen=True)
class Spread:
    """How a mean over units varies, by two causes."""

    between: float
    """Variance between units, with what the choice of sentences does to a unit alone."""
    common: float
    """Variance by the choice of sentences, of what it does to all units alike; more of them do not lower it."""
    units: int
    sentences: int

    def half_width(self, level: float) -> float:
        """Of the interval of the mean that leaves out this much on both sides together; of one unit, over sentences.

        Each cause's own half-width, squared, summed (Banerjee 1960): for normal errors it covers at least as often as
        it says, whatever the shares of the two causes, and exactly so where there is one.
        """
        squares = t_quantile(level, self.sentences - 1) ** 2 * self.common
        if self.units > 1:
            squares += t_quantile(level, self.units - 1) ** 2 * self.between / self.units
        return sqrt(squares)


@dataclass(frozen=True)
class Difference:
    """A strategy less its control, in the unit of a metric: what was measured, before anything is decided."""

    delta: float
    """Mean over the units; whether more is better, the metric says."""
    spread: Spread

    @property
    def units(self) -> int:
        """How many seeds, or searches, it is the mean of."""
        return self.spread.units

    @property
    def effect_size(self) -> float | None:
        """Hedges' g: the difference over its standard deviation between units, corrected for few of them.

        None below three units, or where these do not differ.
        """
        degrees = self.units - 1
        if degrees < 2 or self.spread.between == 0:
            return None
        from scipy import special

        # Hedges 1981, the exact correction.
        log_correction = special.gammaln(degrees / 2) - special.gammaln((degrees - 1) / 2) - np.log(degrees / 2) / 2
        return float(self.delta / sqrt(self.spread.between) * np.exp(log_correction))


def t_quantile(level: float, degrees: float) -> float:
    """What Student's t exceeds in absolute value with this probability."""
    from scipy import special

    return -float(special.stdtrit(degrees, level / 2))


def paired_difference(
    ours: Sequence[Sequence[Predicted]],
    control: Sequence[Sequence[Predicted]],
    references: Sequence[Expected],
    *,
    metric: Metric[Predicted, Expected],
    units: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The difference of a metric's mean over seeds between a strategy and its control.

    Args:
        ours: Predictions by seed, in the test set's order.
        control: Of the same seeds in the same order: differences are paired.
        references: What the metric takes them for.
        metric: By which they are scored.
        units: The unit that each seed is of; not given = each is one.
        resamples: Of the sentences.
        seed: Of the resampling.

    Raises:
        ValueError: Seeds or sentences do not match, or there is no seed, or fewer than two sentences.

    """
    if not ours or len(ours) != len(control):
        raise ValueError(f"differences are paired by seed: got {len(ours)} and {len(control)} lists of hypotheses")
    metric = metric.over([*ours, *control], references)
    return difference_of_statistics(
        statistics_by_seed(ours, references, metric),
        statistics_by_seed(control, references, metric),
        metric=metric,
        units=units,
        resamples=resamples,
        seed=seed,
    )


def difference_of_statistics(
    ours_SMK: Floats,
    control_SMK: Floats,
    *,
    metric: Metric[Predicted, Expected],
    units: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The same from the sentences' statistics (`Metric.statistics`)."""
    deltas_S, deltas_RS = _deltas(ours_SMK, control_SMK, metric=metric, resamples=resamples, seed=seed)
    return _difference(_by_unit(deltas_S, units), _by_unit(deltas_RS, units), sentences=ours_SMK.shape[1])


def differences_by_seeds(
    ours_SMK: Floats,
    control_SMK: Floats,
    *,
    metric: Metric[Predicted, Expected],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """The same of the first seed alone, of the first two, and so on."""
    deltas_S, deltas_RS = _deltas(ours_SMK, control_SMK, metric=metric, resamples=resamples, seed=seed)
    return [
        _difference(deltas_S[:seeds], deltas_RS[:, :seeds], sentences=ours_SMK.shape[1])
        for seeds in range(1, len(deltas_S) + 1)
    ]


def mean_interval(
    systems: Sequence[Sequence[Predicted]],
    references: Sequence[Expected],
    *,
    metric: Metric[Predicted, Expected],
    units: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A metric's mean over seeds with its 95 % interval over units × sentences; of one seed its `interval`.

    Args:
        systems: Predictions by seed, in the test set's order.
        references: What the metric takes them for.
        metric: By which they are scored.
        units: The unit that each seed is of; not given = each is one.
        resamples: Of the sentences.
        seed: Of the resampling.

    Raises:
        ValueError: There is no seed, predictions and references are not as many, or with several seeds fewer than two.

    """
    if not systems:
        raise ValueError("a mean over seeds needs a seed")
    if len(systems) == 1:
        return interval(systems[0], references, metric=metric, resamples=resamples, seed=seed)
    statistics_SMK = statistics_by_seed(systems, references, metric.over(systems, references))
    scores_U = _by_unit(metric.value(statistics_SMK.sum(axis=1)), units)
    scores_RU = _by_unit(metric.value(resampled_sums(statistics_SMK, resamples=resamples, seed=seed)), units)
    spread = _spread(scores_U, scores_RU, sentences=len(references))
    mean, reach = float(scores_U.mean()), spread.half_width(ALPHA)
    least, most = metric.range
    return Interval(mean, max(least, mean - reach), min(most, mean + reach))


def _deltas(
    ours_SMK: Floats, control_SMK: Floats, *, metric: Metric[Predicted, Expected], resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Differences by seed, as measured and of each resample."""
    seeds = len(ours_SMK)
    both = np.stack([metric.value(side_SMK.sum(axis=1)) for side_SMK in (ours_SMK, control_SMK)])
    sums_RSK = resampled_sums(np.concatenate([ours_SMK, control_SMK]), resamples=resamples, seed=seed)
    scores_RS = metric.value(sums_RSK)
    return both[0] - both[1], scores_RS[:, :seeds] - scores_RS[:, seeds:]


def _by_unit(values_S: Floats, units: Sequence[int] | None) -> Floats:
    """Means over the seeds of each unit; (…, U) of (…, S)."""
    if units is None:
        return values_S
    of_seed_S = np.asarray(units)
    return np.stack([values_S[..., of_seed_S == unit].mean(axis=-1) for unit in dict.fromkeys(units)], axis=-1)


def _difference(deltas_U: Floats, deltas_RU: Floats, *, sentences: int) -> Difference:
    return Difference(float(deltas_U.mean()), _spread(deltas_U, deltas_RU, sentences=sentences))


def statistics_by_seed(
    systems: Sequence[Sequence[Predicted]], references: Sequence[Expected], metric: Metric[Predicted, Expected]
) -> Floats:
    """A metric's statistics of every sentence, (S, M, K)."""
    return np.stack([metric.statistics(predictions, references) for predictions in systems])


def _spread(values_U: Floats, values_RU: Floats, *, sentences: int) -> Spread:
    """Variance components as Obuchowski & Rockette (1995) have them: units are their readers, sentences their cases."""
    if sentences < 2:
        raise ValueError(f"sentences vary only among two or more, got {sentences}")
    units = len(values_U)
    covariance_UU = np.atleast_2d(np.cov(values_RU, rowvar=False))
    if units == 1:
        return Spread(0.0, float(covariance_UU[0, 0]), units, sentences)
    alike = float(covariance_UU[~np.eye(units, dtype=bool)].mean())
    # The mean of equal numbers may not be equal to them.
    between = float(values_U.var(ddof=1)) if np.ptp(values_U) else 0.0
    return Spread(between, max(0.0, alike), units, sentences)
