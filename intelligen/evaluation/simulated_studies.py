"""Simulated studies: numbers in place of scores, decided as real ones are. Axes: N studies, K comparisons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Estimates
from intelligen.evaluation.moderated_variance import Moderated, moderate, weight_for

Flags = npt.NDArray[np.bool_]

SENTENCES = 1000
"""Of the test set, where its size is not known: its own part is small."""


@dataclass(frozen=True)
class Errors:
    """How far the measured differences of studies are from the true ones, and what the studies know of that."""

    errors_NK: Floats
    known: Estimates

    def better(self, truths: Floats | float, *, level: float) -> Flags:
        """Which comparisons are called better, where these differences are true; (N, K)."""
        found: Flags = self.errors_NK + truths > self.known.half_width(level)
        return found

    def different(self, truths: Floats | float, *, level: float) -> Flags:
        """Which are called better or worse."""
        found: Flags = np.abs(self.errors_NK + truths) > self.known.half_width(level)
        return found

    def equivalent(self, truths: Floats | float, *, margin: float, level: float) -> Flags:
        """Which are called equivalent, at the level of an interval that would call them different."""
        within = np.abs(self.errors_NK + truths) + self.known.half_width(2 * level) < margin
        found: Flags = within & ~self.different(truths, level=level)
        return found


def simulated(
    deviations: Sequence[float],
    *,
    seeds: int,
    studies: int,
    rng: np.random.Generator,
    sentence_sd: float = 0.0,
    sentences: int = SENTENCES,
    moderated: Callable[..., Moderated] = moderate,
) -> Errors:
    """Studies with so many seeds, fixed beforehand, of normal errors.

    Args:
        deviations: Standard deviation of each comparison's differences between seeds.
        seeds: Of each study.
        studies: How many.
        rng: Draws them.
        sentence_sd: Standard deviation of a difference by the choice of sentences.
        sentences: Of the test set.
        moderated: How variances are moderated; others than ours are for comparison.

    """
    variances_K, shape = np.square(deviations), (studies, len(deviations))
    between = rng.normal(size=shape) * np.sqrt(variances_K / seeds)
    measured_NK = variances_K * rng.chisquare(seeds - 1, size=shape) / (seeds - 1)
    errors_NK = between + sentence_sd * rng.normal(size=shape)
    common_NK = sentence_sd**2 * rng.chisquare(sentences - 1, size=shape) / (sentences - 1)
    degrees_K = np.full(len(deviations), seeds - 1.0)
    variances_NK, degrees_NK = moderated(measured_NK, degrees_K, weight=weight_for(seeds))
    return Errors(errors_NK, Estimates(variances_NK, degrees_NK, seeds, common_NK, sentences))
