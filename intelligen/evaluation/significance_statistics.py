"""Corpus BLEU is a function of sums over sentences, so a resampled test set is a weighted sum, scored without its text.

Axes: S systems or seeds, M sentences, R resamples, K = 10 statistics of a sentence: tokens of the hypothesis, tokens of
the reference, right 1- to 4-grams, all 1- to 4-grams of the hypothesis.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from intelligen.config.experiment import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu import bleu_metric

Floats = npt.NDArray[np.float64]

ORDERS: Final = 4
# Weights of so many sentences lie in memory at a time: 32 MiB.
_WEIGHTS_AT_ONCE: Final = 2**22


def bleu_statistics(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER
) -> Floats:
    """What sacreBLEU counts in each sentence, (M, K), with the settings of `intelligen.evaluation.scoring`.

    Read-only: a report compares each system several times, and its text is counted once.

    Raises:
        ValueError: There are not as many hypotheses as references.

    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    return _counted(tuple(hypotheses), tuple(references), tokenizer)


@lru_cache(maxsize=128)
def _counted(hypotheses: tuple[str, ...], references: tuple[str, ...], tokenizer: BleuTokenizer) -> Floats:
    # Of hypotheses that look tokenized, sacreBLEU has warned when it scored all of them.
    bleu = bleu_metric(tokenizer, force=True)
    found = [bleu.corpus_score([ours], [[right]]) for ours, right in zip(hypotheses, references, strict=True)]
    counted = np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in found], dtype=np.float64)
    counted.setflags(write=False)
    return counted


def bleu_of(sums_K: Floats) -> Floats:
    """Corpus BLEU, 0–100, of summed statistics, the last of any axes, as sacreBLEU's `compute_bleu` with `exp` has it.

    Papineni et al. 2002; an order without a right n-gram counts 1/2, the next such order 1/4, … of one (NIST's
    smoothing). 0 where nothing at all is right, or no hypothesis has four tokens.
    """
    hypothesis, reference = sums_K[..., 0], sums_K[..., 1]
    right, tried = sums_K[..., 2 : 2 + ORDERS], sums_K[..., 2 + ORDERS :]
    none_right = right == 0
    smoothed = np.where(none_right, 0.5 ** np.cumsum(none_right, axis=-1), right)
    scored = right.any(axis=-1) & tried.all(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(smoothed / tried).mean(axis=-1))
        brevity = np.exp(np.minimum(0.0, 1 - reference / hypothesis))
        return np.where(scored, 100 * brevity * precision, 0.0)


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
