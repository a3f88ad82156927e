"""Confidence interval of one model's score, by any metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from intelligen.evaluation.bootstrap_resampling import resampled_sums
from intelligen.evaluation.metric import Expected, Metric, Predicted

RESAMPLES: Final = 1000
"""Of the rows, for an interval."""


@dataclass(frozen=True)
class Interval:
    """A score and the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def interval(
    predictions: Sequence[Predicted],
    references: Sequence[Expected],
    *,
    metric: Metric[Predicted, Expected],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """One system's score with its 95 % interval, wherever one is shown: percentiles of the bootstrap.

    The rows are drawn with replacement (Efron 1979; Koehn 2004), and the bounds are the 2.5th and the 97.5th
    percentile of the scores, so they are scores themselves, in the metric's range.

    Raises:
        ValueError: Predictions and references are not as many.

    """
    statistics_1MK = metric.statistics(predictions, references)[None]
    scores_R = metric.value(resampled_sums(statistics_1MK, resamples=resamples, seed=seed))[:, 0]
    low, high = np.percentile(scores_R, (2.5, 97.5))
    return Interval(float(metric.value(statistics_1MK[0].sum(axis=0))), float(low), float(high))
