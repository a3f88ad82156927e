"""Error spending: the level of each look at a study, so that all looks together are wrong as seldom as one would be.

Lan and DeMets 1983, with the power family of Kim and DeMets 1987; nominal levels by the recursion of Armitage,
McPherson and Rowe 1969. docs/statistics.md has the formulas. Axes: L looks, A errors, X and Y points of the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, exp, log, sqrt
from typing import Final

import numpy as np

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import LevelAtLook

POWER_OF_SPENDING: Final = 3
"""At n of N seeds (n/N)³ of the error is spent: little of it early, where the variance is hardly known."""
# Levels are interpolated between these errors; below the least of them they are proportional to the error.
_LOG_ERRORS: Final = np.linspace(log(1e-12), 0.0, 49)
_LEAST: Final = float(_LOG_ERRORS[0])
_FARTHEST: Final = 38.0
"""In standard deviations: what is farther off has a probability below what a float holds."""
_HALVINGS: Final = 50


@dataclass(frozen=True)
class Looks:
    """Looks at a study: the first with the least seeds, then one after each seed."""

    at_least: int
    at_most: int

    @property
    def seeds(self) -> range:
        """With how many seeds there is a look."""
        return range(self.at_least, self.at_most + 1)

    def level(self, seeds: int) -> LevelAtLook:
        """Of the look with so many seeds: its level, of the error that a comparison may make at all looks together."""
        table = _log_levels(self)[seeds - self.at_least]

        def level(alpha: float) -> float:
            beyond = min(0.0, log(alpha) - _LEAST)
            return exp(float(np.interp(log(alpha), _LOG_ERRORS, table)) + beyond)

        return level

    def nominal(self, alphas_A: Floats) -> Floats:
        """The levels of all looks, for several errors of a comparison; (L, A)."""
        fractions = [seeds / self.at_most for seeds in self.seeds]
        return nominal_levels(fractions, np.outer(np.power(fractions, POWER_OF_SPENDING), alphas_A))


@cache
def _log_levels(looks: Looks) -> Floats:
    return np.log(looks.nominal(np.exp(_LOG_ERRORS)))


def nominal_levels(fractions: Sequence[float], spent_LA: Floats) -> Floats:
    """Two-sided levels at which looks claim a difference, so that copies have been called different in such a share.

    The score S(t) of copies is Brownian motion: normal with variance t. A look claims where |S| exceeds its bound, so
    that the distribution of |S| between the bounds is carried from look to look.

    Args:
        fractions: Of all information, at each look, in ascending order.
        spent_LA: Error that has been spent by then, by several ways to spend it.

    Returns:
        (L, A).

    """
    from scipy import special

    alternatives = spent_LA.shape[1]
    before, points_AX, masses_AX = 0.0, np.zeros((alternatives, 1)), np.ones((alternatives, 1))
    levels = []
    for look, wanted_A in enumerate(np.diff(spent_LA, axis=0, prepend=0.0)):
        time = fractions[look]
        step = sqrt(time - before)
        bounds_A = _bounds(wanted_A, points_AX / step, masses_AX, _FARTHEST * sqrt(time) / step) * step
        levels.append(2 * special.ndtr(-bounds_A / sqrt(time)))
        # The density is as narrow as a step at its narrowest: three points lie in that.
        nodes_Y, weights_Y = _gauss_legendre(24 + ceil(18 * sqrt(time) / step))
        next_AY = bounds_A[:, None] * (nodes_Y + 1) / 2
        density_AY = _density(next_AY / step, points_AX / step, masses_AX) / step
        masses_AX = density_AY * weights_Y * bounds_A[:, None] / 2
        before, points_AX = time, next_AY
    return np.array(levels)


@cache
def _gauss_legendre(points: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(points)


def _bounds(wanted_A: Floats, points_AX: Floats, masses_AX: Floats, farthest: float) -> Floats:
    """Bounds of |S|, in steps, that it exceeds with the wanted probability, by halving."""
    from scipy import special

    low_A, high_A = np.zeros(len(wanted_A)), np.full(len(wanted_A), farthest)
    for _ in range(_HALVINGS):
        middle_A = (low_A + high_A) / 2
        beyond_AX = special.ndtr(points_AX - middle_A[:, None]) + special.ndtr(-points_AX - middle_A[:, None])
        too_near_A = (masses_AX * beyond_AX).sum(axis=1) > wanted_A
        low_A, high_A = np.where(too_near_A, middle_A, low_A), np.where(too_near_A, high_A, middle_A)
    return high_A


def _density(next_AY: Floats, points_AX: Floats, masses_AX: Floats) -> Floats:
    """Of |S| one step later: from both sides of 0, since its distribution is even."""
    apart_AYX, together_AYX = (next_AY[:, :, None] + sign * points_AX[:, None, :] for sign in (-1, 1))
    kernel_AYX = (np.exp(-(apart_AYX**2) / 2) + np.exp(-(together_AYX**2) / 2)) / sqrt(2 * np.pi)
    density: Floats = np.einsum("ayx,ax->ay", kernel_AYX, masses_AX)
    return density
