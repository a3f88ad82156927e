"""Moderated variance: a comparison's own variance, drawn to that of all comparisons with a fixed weight.

Few seeds show a variance badly, and those of several comparisons show more together. Pooling them, or drawing them
together as far as they seem to agree, calls copies different too often where one is noisier: docs/statistics.md has the
figures. Axes: N studies, K comparisons.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from intelligen.evaluation.bootstrap_resampling import Floats

WEIGHT: Final = 4.0
"""Degrees of freedom that the variance of all comparisons counts for."""
WEIGHT_OF_FEW: Final = 3.0
"""The same in a study that is planned with fewer than `FEW_UNITS`."""
FEW_UNITS: Final = 5
GUARD: Final = 0.10
"""A variance above this upper quantile of F, over that of the others, stays as it is."""


class Moderated(NamedTuple):
    """Variances, and the degrees of freedom of the t quantile that belongs to each."""

    variances: Floats
    degrees: Floats


def weight_for(units: int) -> float:
    """The weight in a study that is planned with so many seeds."""
    return WEIGHT_OF_FEW if units < FEW_UNITS else WEIGHT


def moderate(variances_NK: Floats, degrees_NK: Floats, *, weight: float = WEIGHT) -> Moderated:
    """The moderated variances of comparisons that belong together; of a single one, its own.

    Args:
        variances_NK: Of the differences between units; the last axis has the comparisons.
        degrees_NK: Of each: its units less one.
        weight: Of the variance of all.

    """
    total = degrees_NK.sum(axis=-1, keepdims=True)
    shares = degrees_NK / total
    pooled = (shares * variances_NK).sum(axis=-1, keepdims=True)
    drawn = (weight * pooled + degrees_NK * variances_NK) / (weight + degrees_NK)
    # Satterthwaite's degrees of the weighted mean, were all true variances equal: more than that it cannot know.
    own = (weight * shares + degrees_NK) / (weight + degrees_NK)
    each = shares**2 / degrees_NK
    others = (weight / (weight + degrees_NK)) ** 2 * (each.sum(axis=-1, keepdims=True) - each)
    degrees = np.minimum(weight + degrees_NK, 1 / (own**2 / degrees_NK + others))
    noisy = _noisy(variances_NK, degrees_NK)
    return Moderated(np.where(noisy, variances_NK, drawn), np.where(noisy, degrees_NK, degrees))


def _noisy(variances_NK: Floats, degrees_NK: Floats) -> npt.NDArray[np.bool_]:
    """Whether a variance is larger than that of all the others together explains."""
    if variances_NK.shape[-1] == 1:
        return np.zeros_like(variances_NK, dtype=bool)
    from scipy import special

    sums = variances_NK * degrees_NK
    rest = degrees_NK.sum(axis=-1, keepdims=True) - degrees_NK
    of_others = np.maximum(0.0, sums.sum(axis=-1, keepdims=True) - sums) / rest
    noisy: npt.NDArray[np.bool_] = variances_NK > special.fdtri(degrees_NK, rest, 1 - GUARD) * of_others
    return noisy
