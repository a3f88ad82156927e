"""Simulated sequential studies: numbers in place of scores, looked at as real ones are.

Axes: N studies, K comparisons, S seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Estimates, LevelAtLook
from intelligen.evaluation.moderated_variance import moderate, weight_for
from intelligen.evaluation.sequential_procedure import FUTILE_BELOW, SequentialPlan
from intelligen.evaluation.significance import ALPHA
from intelligen.evaluation.simulated_studies import SENTENCES, Flags


@dataclass(frozen=True)
class Scores:
    """What studies have measured with all seeds, of which each look sees the first."""

    differences_NKS: Floats
    common_NK: Floats
    """Variance by the choice of sentences, as it was measured."""
    sentences: int

    def plus(self, truths: Floats | float) -> "Scores":
        """The same errors where these differences are true; (N, K) or (K)."""
        shifted = self.differences_NKS + np.asarray(truths)[..., None]
        return Scores(shifted, self.common_NK, self.sentences)


@dataclass(frozen=True)
class Findings:
    """How the comparisons of studies have ended."""

    better_NK: Flags
    worse_NK: Flags
    equivalent_NK: Flags
    seeds_NK: npt.NDArray[np.int_]
    """That each has taken."""


def simulated_scores(
    deviations: Sequence[float],
    *,
    seeds: int,
    studies: int,
    rng: np.random.Generator,
    sentence_sd: float = 0.0,
    sentences: int = SENTENCES,
) -> Scores:
    """Scores of copies, with normal errors.

    Args:
        deviations: Standard deviation of each comparison's differences between seeds.
        seeds: The most that a comparison takes.
        studies: How many.
        rng: Draws them.
        sentence_sd: Standard deviation of a difference by the choice of sentences.
        sentences: Of the test set.

    """
    shape = (studies, len(deviations))
    of_seeds = np.asarray(deviations)[:, None] * rng.normal(size=(*shape, seeds))
    of_sentences = sentence_sd * rng.normal(size=shape)
    common_NK = sentence_sd**2 * rng.chisquare(sentences - 1, size=shape) / (sentences - 1)
    return Scores(of_seeds + of_sentences[..., None], common_NK, sentences)


def looked_at(
    scores: Scores, plan: SequentialPlan, *, level_at: Callable[[int], LevelAtLook] | None = None
) -> Findings:
    """Look at studies after every seed, each comparison until it ends.

    Args:
        scores: Of studies with as many seeds as the plan has at most.
        plan: Of all of them.
        level_at: Seeds → level of the look; others than the plan's are for comparison.

    """
    shape, share = scores.common_NK.shape, ALPHA / plan.family
    going, seeds_NK = np.ones(shape, dtype=bool), np.full(shape, plan.looks.at_most)
    deltas_NK, between_NK, degrees_NK = np.zeros(shape), np.zeros(shape), np.ones(shape)
    different, equivalent = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for seeds in plan.looks.seeds:
        first_NKS = scores.differences_NKS[..., :seeds]
        deltas_NK[going] = first_NKS.mean(axis=-1)[going]
        between_NK[going] = first_NKS.var(axis=-1, ddof=1)[going]
        degrees_NK[going] = seeds - 1
        moderated = moderate(between_NK, degrees_NK, weight=weight_for(plan.looks.at_most))
        known = Estimates(*moderated, seeds, scores.common_NK, scores.sentences)
        level = (level_at or plan.looks.level)(seeds)
        far = going & (np.abs(deltas_NK) > known.half_width(level(share)))
        near = going & ~far & (np.abs(deltas_NK) + known.half_width(level(2 * share)) < plan.margin)
        ends = far | near
        if seeds < plan.looks.at_most:
            ends |= going & (plan.chances(deltas_NK, known) < FUTILE_BELOW)
        different, equivalent = different | far, equivalent | near
        seeds_NK[ends] = seeds
        going &= ~ends
    return Findings(different & (deltas_NK > 0), different & (deltas_NK < 0), equivalent, seeds_NK)
