"""Decision procedure of a study: from one interval each comparison's p and verdict are read, all of them together.

docs/statistics.md has the formulas, and how often it is wrong. Axes: N studies, K comparisons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from typing import Final, NamedTuple

import numpy as np

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.moderated_variance import moderate, weight_for
from intelligen.evaluation.significance import ALPHA, Difference

LEAST_UNITS: Final = 3
"""With fewer seeds, or searches, nothing is decided: their variance is hardly known."""
# At a smaller level, with few degrees of freedom, the quantile's square is more than a float holds.
_LEAST_ALPHA: Final = 1e-90

LevelAtLook = Callable[[float], float]
"""Of one look at a study: which level an interval has there, of the error that its comparison may make in all."""


class Verdict(StrEnum):
    """What a study has found of one comparison."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    """The difference is within the margin that the study was asked about."""
    OPEN = "open"


@dataclass(frozen=True)
class Comparison:
    """A strategy beside its control, decided among all comparisons of a study."""

    difference: Difference
    low: float
    high: float
    """The interval that the verdict is read from. It holds for all comparisons of the study together in 95 % of
    studies; that of an equivalent one in 90 %, since two one-sided tests are read from it."""
    p_value: float
    """Of no difference, corrected for all comparisons: the share of wrong claims at which the interval would just touch
    0. Below 0.05 exactly where the verdict is better or worse."""
    verdict: Verdict
    variance: float
    """Between seeds, moderated."""
    degrees: float
    """Of its t quantile."""

    @property
    def delta(self) -> float:
        """Mean over the seeds."""
        return self.difference.delta


class Estimates(NamedTuple):
    """Moderated estimates, from which half-widths are computed; arrays of any leading axes."""

    variances: Floats
    degrees: Floats
    units: Floats | int
    common: Floats | float
    sentences: Floats | int

    def half_width(self, level: float) -> Floats:
        """Of the interval that leaves out this much on both sides together: squares of both causes' own, summed."""
        from scipy import special  # takes a while to import, which most processes need not wait

        between = special.stdtrit(self.degrees, level / 2) ** 2 * self.variances / self.units
        common = special.stdtrit(np.asarray(self.sentences) - 1, level / 2) ** 2 * self.common
        half: Floats = np.sqrt(between + common)
        return half


def fixed_seeds(alpha: float) -> float:
    """The level of the only look, at the end of a study whose seeds are fixed beforehand: the whole error."""
    return alpha


def estimates(differences: Sequence[Difference], *, planned: int) -> Estimates:
    """What is known of these comparisons together.

    Args:
        differences: Of two seeds or more each.
        planned: Seeds that the study was planned with.

    """
    between, units, common, sentences = np.array(
        [(one.spread.between, one.units, one.spread.common, one.spread.sentences) for one in differences]
    ).T
    variances, degrees = moderate(between, units - 1, weight=weight_for(planned))
    return Estimates(variances, degrees, units, common, sentences)


def decide(
    differences: Sequence[Difference],
    *,
    family: int,
    higher_is_better: bool = True,
    planned: int | None = None,
    margin: float | None = None,
    level: LevelAtLook = fixed_seeds,
) -> list[Comparison]:
    """Decide comparisons together: any claim of theirs is wrong in at most 5 % of studies.

    Args:
        differences: Of two seeds or more each; their variances are moderated together.
        family: With how many comparisons the study was planned, those without a result among them.
        higher_is_better: Which way the metric points.
        planned: Seeds that it was planned with; not given = as many as the comparisons have.
        margin: The largest difference that counts as none; not given = nothing is called equivalent.
        level: The look at which this is; not given = the only one.

    """
    if not differences:
        return []
    known = estimates(differences, planned=planned or max(one.units for one in differences))
    share = ALPHA / family
    reaches, narrower = known.half_width(level(share)), known.half_width(level(2 * share))
    found = []
    for number, one in enumerate(differences):
        reach = float(reaches[number])
        verdict = _verdict(one.delta if higher_is_better else -one.delta, reach, float(narrower[number]), margin)
        if verdict is Verdict.EQUIVALENT:
            reach = float(narrower[number])
        alone = Estimates(*(np.asarray(values)[number] for values in known))
        p_value = _p_value(abs(one.delta), alone, family, level)
        interval = one.delta - reach, one.delta + reach
        found.append(Comparison(one, *interval, p_value, verdict, float(alone.variances), float(alone.degrees)))
    return found


def _verdict(gain: float, reach: float, narrower: float, margin: float | None) -> Verdict:
    if abs(gain) > reach:
        return Verdict.BETTER if gain > 0 else Verdict.WORSE
    within = margin is not None and abs(gain) + narrower < margin
    return Verdict.EQUIVALENT if within else Verdict.OPEN


def _p_value(distance: float, known: Estimates, family: int, level: LevelAtLook) -> float:
    """The error of all comparisons together at which the interval would just touch 0."""

    def beyond(log_alpha: float) -> float:
        return distance - float(known.half_width(level(exp(log_alpha) / family)))

    if distance == 0 or beyond(0.0) <= 0:
        return 1.0
    from scipy import optimize

    low = log(_LEAST_ALPHA)
    return 0.0 if beyond(low) > 0 else exp(optimize.brentq(beyond, low, 0.0))
