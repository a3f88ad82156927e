"""Bootstrap resampling: a metric is a function of sums over rows, so a resample is a weighted sum.

Axes: S systems or seeds, M sentences, R resamples, K statistics of a sentence.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Weights of so many sentences lie in memory at a time: 32 MiB.
_WEIGHTS_AT_ONCE: Final = 2**22


def resampled_sums(statistics_SMK: Floats, *, resamples: int, seed: int) -> Floats:
    """Sums over sentences drawn with replacement, (R, S, K); in each resample all systems have the same sentences.

    The bootstrap (Efron 1979): in a resample a sentence weighs as often as it was drawn.
    """
    systems, sentences, width = statistics_SMK.shape
    columns = statistics_SMK.transpose(1, 0, 2).reshape(sentences, systems * width)
    rng = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // sentences)
    parts = [
        _weights(min(at_once, resamples - start), sentences, rng) @ columns for start in range(0, resamples, at_once)
    ]
    return np.concatenate(parts).reshape(resamples, systems, width)


def _weights(resamples: int, sentences: int, rng: np.random.Generator) -> Floats:
    """Multinomial with equal probabilities, (R, M); counting draws is quicker than drawing counts."""
    drawn = rng.integers(sentences, size=(resamples, sentences)) + sentences * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * sentences).reshape(resamples, sentences).astype(np.float64)
