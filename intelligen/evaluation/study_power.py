"""Planned power: the smallest difference that a study finds in four of five cases, and the seeds for a wanted one.

It follows from how much pairs of runs differ, as an earlier study or the study itself has shown it, never from the
difference that was observed: docs/statistics.md.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, isinf, sqrt
from typing import Final, NamedTuple

import numpy as np

from intelligen.evaluation.decision_procedure import LEAST_UNITS
from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.moderated_variance import moderate, weight_for
from intelligen.evaluation.sequential_procedure import SequentialPlan
from intelligen.evaluation.significance import ALPHA, Difference
from intelligen.evaluation.simulated_sequences import looked_at, simulated_scores
from intelligen.evaluation.simulated_studies import SENTENCES, simulated

POWER: Final = 0.8
WANTED: Final = (0.3, 0.5, 1.0)
"""Differences for which the seeds are said, in the metric's unit."""
MOST_SEEDS: Final = 1000
"""More are not asked for."""
# With fewer, the guard and a variance that is hardly known make the formula too hopeful.
_FORMULA_FROM: Final = 8
_STUDIES: Final = 2000
_COMPARISONS: Final = 4000
"""That are simulated of a sequential study, for each difference that is tried."""
_HALVINGS: Final = 7
# The level of the last look hardly changes with more looks: the difference that is found by less than 2 in 100.
_MOST_LOOKS: Final = 30
# In so many of ten cases the true standard deviation is between the bounds.
_WITHIN: Final = 0.6


class Bounds(NamedTuple):
    """A range, by the uncertainty of what is known before."""

    low: float
    high: float


@dataclass(frozen=True)
class Prior:
    """How much differences vary, as it is known before a study, or after it."""

    sd: float
    """Standard deviation of a pair's difference between units: seeds, or searches."""
    degrees: float
    """Degrees of freedom that it is known with."""
    sentence_sd: float = 0.0
    """Standard deviation of a mean difference by the choice of sentences."""
    sentences: int = SENTENCES
    """Of the test set."""

    def likely(self) -> Bounds:
        """Between which the true standard deviation is in 6 of 10 cases."""
        from scipy import special

        if isinf(self.degrees):
            return Bounds(self.sd, self.sd)
        tail = (1 - _WITHIN) / 2
        low, high = self.sd * np.sqrt(self.degrees / special.chdtri(self.degrees, [tail, 1 - tail]))
        return Bounds(float(low), float(high))


def prior_of(differences: Sequence[Difference], controls: Sequence[str]) -> Prior | None:
    """How much differences vary, by those of a study; none where nothing varies or no pair of seeds is known.

    Args:
        differences: Of each comparison.
        controls: What each is held against: those that share it are correlated by a half.

    """
    known = [number for number, one in enumerate(differences) if one.units > 1]
    if not known or not any(differences[number].spread.between for number in known):
        return None
    spreads = [differences[number].spread for number in known]
    degrees = np.array([one.units - 1.0 for one in spreads])
    shares = degrees / degrees.sum()
    # Variances are correlated by the square of the differences' correlation.
    shared = np.array([[controls[one] == controls[other] for other in known] for one in known])
    alike = np.where(shared, 0.25, 0.0) + 0.75 * np.eye(len(known))
    return Prior(
        sd=sqrt(sum(share * one.between for share, one in zip(shares, spreads, strict=True))),
        degrees=float(1 / (shares @ (alike / np.sqrt(np.outer(degrees, degrees))) @ shares)),
        sentence_sd=sqrt(sum(one.common for one in spreads) / len(spreads)),
        sentences=spreads[0].sentences,
    )


@dataclass(frozen=True)
class Power:
    """What a study with so many comparisons can find."""

    prior: Prior
    family: int
    seeds: int
    """Of each comparison, fixed beforehand; of a sequential study the most. Of a study of searches, these."""
    sequential: SequentialPlan | None = None
    """None where all seeds are trained in any case."""

    def smallest(self) -> Bounds:
        """The smallest difference that is found in four of five cases, by the bounds of the standard deviation."""
        return Bounds(*(_smallest(one, self.family, self.seeds, self.sequential) for one in self._bounds()))

    def seeds_for(self, difference: float) -> tuple[int | None, int | None]:
        """With how many seeds a difference is found in four of five cases, by the same bounds.

        None of them where it takes more than `MOST_SEEDS`, or the test set is too small for any number.
        """
        low, high = (
            seeds_for(difference, one, family=self.family, sequential=self.sequential) for one in self._bounds()
        )
        return low, high

    def _bounds(self) -> tuple[Prior, Prior]:
        low, high = (replace(self.prior, sd=sd) for sd in self.prior.likely())
        return low, high


def smallest_difference(prior: Prior, *, family: int, seeds: int) -> float:
    """The smallest true difference that a study finds in four of five cases, if the prior's deviations are true."""
    if seeds < _FORMULA_FROM:
        return _simulated(prior, family, seeds)
    return _formula(prior, family, seeds, ALPHA / family)


def smallest_at_looks(prior: Prior, plan: SequentialPlan) -> float:
    """The same of a sequential study, whose last look decides what it can find."""
    if plan.looks.at_most < _FORMULA_FROM:
        return _simulated_at_looks(prior, plan)
    return _formula(prior, plan.family, plan.looks.at_most, _last_level(plan))


@cache
def _last_level(plan: SequentialPlan) -> float:
    looks = replace(plan.looks, at_most=min(plan.looks.at_most, max(_MOST_LOOKS, plan.looks.at_least)))
    return float(looks.nominal(np.array([ALPHA / plan.family]))[-1, 0])


def _formula(prior: Prior, family: int, seeds: int, level: float) -> float:
    alike = np.ones(family)
    degrees = float(moderate(alike, alike * (seeds - 1), weight=weight_for(seeds)).degrees[0])
    parts = [(prior.sd**2 / seeds, degrees), (prior.sentence_sd**2, prior.sentences - 1.0)]
    return sqrt(sum(variance * _quantiles(level, degrees) ** 2 for variance, degrees in parts))


def seeds_for(difference: float, prior: Prior, *, family: int, sequential: SequentialPlan | None = None) -> int | None:
    """The fewest seeds with which a study finds a true difference in four of five cases; None = too many.

    Fixed ones; of a sequential study the most that it may take.
    """

    def suffices(seeds: int) -> bool:
        return _smallest(prior, family, seeds, sequential) <= difference

    found = bisect_left(range(MOST_SEEDS + 1), True, lo=LEAST_UNITS, key=suffices)
    return found if found <= MOST_SEEDS else None


def _smallest(prior: Prior, family: int, seeds: int, sequential: SequentialPlan | None) -> float:
    if sequential is None:
        return smallest_difference(prior, family=family, seeds=seeds)
    looks = Looks(min(sequential.looks.at_least, seeds), seeds)
    return smallest_at_looks(prior, replace(sequential, looks=looks))


@cache
def _simulated(prior: Prior, family: int, seeds: int) -> float:
    """A difference is found where it exceeds the half-width less the error: its quantile is the one that is wanted."""
    studies = simulated(
        [prior.sd] * family,
        seeds=seeds,
        studies=_STUDIES,
        rng=np.random.default_rng(seeds),
        sentence_sd=prior.sentence_sd,
        sentences=prior.sentences,
    )
    return float(np.quantile(studies.known.half_width(ALPHA / family) - studies.errors_NK, POWER))


@cache
def _simulated_at_looks(prior: Prior, plan: SequentialPlan) -> float:
    """Found by halving: what is called equivalent or futile first depends on the true difference."""
    scores = simulated_scores(
        [prior.sd] * plan.family,
        seeds=plan.looks.at_most,
        studies=ceil(_COMPARISONS / plan.family),
        rng=np.random.default_rng(plan.looks.at_most),
        sentence_sd=prior.sentence_sd,
        sentences=prior.sentences,
    )

    def is_found(difference: float) -> bool:
        return float(looked_at(scores.plus(difference), plan).better_NK.mean()) >= POWER

    low, high = 0.0, _formula(prior, plan.family, plan.looks.at_most, _last_level(plan))
    while not is_found(high):
        low, high = high, 1.5 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def _quantiles(level: float, degrees: float) -> float:
    from scipy import special

    return float(special.stdtrit(degrees, POWER) - special.stdtrit(degrees, level / 2))
