"""Corpus BLEU and chrF (Post 2018), from counts that add up over sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Final

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.columns import references as references_in
from intelligen.data.bleu_tokenizers import bleu_metric
from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.metric import Metric, require_as_many

ORDERS: Final = 4
References = tuple[tuple[str, ...], ...]
"""Of each row."""
# A report compares each system several times, and its text is counted once.
_KEPT: Final = 128


@dataclass(frozen=True)
class Bleu(Metric[str, str]):
    """Corpus BLEU, cased, 0–100 (Papineni et al. 2002), as sacreBLEU's `compute_bleu` with `exp` has it.

    K = 10: tokens of the hypothesis, tokens of the reference, right 1- to 4-grams, all 1- to 4-grams of the hypothesis.
    """

    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER
    several: bool = False
    """Whether a row may have several references (`joined_references`); then its length is that of the nearest one."""
    name = "bleu"
    label = "BLEU"
    implementation = "sacreBLEU"

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> Floats:
        """What sacreBLEU counts in each sentence, (M, K); read-only."""
        require_as_many(predictions, references)
        return _bleu_counts(tuple(predictions), _apart(references, self.several), self.tokenizer)

    def value(self, sums_K: Floats) -> Floats:
        """An order without a right n-gram counts 1/2, the next such order 1/4, … of one (NIST's smoothing).

        0 where nothing at all is right, or no hypothesis has four tokens.
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

    @property
    def signature(self) -> str:
        """SacreBLEU's."""
        return _signature(bleu_metric(self.tokenizer, force=True), several=self.several)


@dataclass(frozen=True)
class ChrF(Metric[str, str]):
    """Corpus chrF, β = 2, 0–100 (Popović 2015), as sacreBLEU's `CHRF` with its defaults has it.

    K = 18: for each order from 1 to 6 the characters' n-grams of the hypothesis, of the reference, and of both.
    """

    several: bool = False
    """Whether a row may have several references (`joined_references`); it counts by that with the best score."""
    name = "chrf"
    label = "chrF"
    implementation = "sacreBLEU"

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> Floats:
        """What sacreBLEU counts in each sentence, (M, K); read-only."""
        require_as_many(predictions, references)
        return _chrf_counts(tuple(predictions), _apart(references, self.several))

    def value(self, sums_K: Floats) -> Floats:
        """F2 of mean precision and mean recall over the orders that both sides have."""
        hypothesis, reference, both = (sums_K[..., start::3] for start in range(3))
        counted = (hypothesis > 0) & (reference > 0)
        orders = np.maximum(counted.sum(axis=-1), 1)
        precision, recall = (
            (np.where(counted, both / np.maximum(side, 1), 0.0)).sum(axis=-1) / orders
            for side in (hypothesis, reference)
        )
        factor = CHRF.BETA**2
        denominator = factor * precision + recall
        return np.asarray(100 * (1 + factor) * precision * recall / np.where(denominator > 0, denominator, 1.0))

    @property
    def signature(self) -> str:
        """SacreBLEU's."""
        return _signature(CHRF(), several=self.several)


@lru_cache(maxsize=_KEPT)
def _bleu_counts(hypotheses: tuple[str, ...], references: References, tokenizer: BleuTokenizer) -> Floats:
    # Of hypotheses that look tokenized, sacreBLEU has warned when it scored all of them.
    bleu = bleu_metric(tokenizer, force=True)
    found = [
        bleu.corpus_score([ours], [[one] for one in right]) for ours, right in zip(hypotheses, references, strict=True)
    ]
    return _frozen([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in found])


@lru_cache(maxsize=_KEPT)
def _chrf_counts(hypotheses: tuple[str, ...], references: References) -> Floats:
    # Its scores do not hold what was counted; sacreBLEU's own significance tests ask the metric so.
    return _frozen(CHRF()._extract_corpus_statistics(hypotheses, [*zip_longest(*references)]))


def _apart(references: Sequence[str], several: bool) -> References:
    return tuple(tuple(references_in(text)) if several else (text,) for text in references)


def _frozen(counts: Sequence[Sequence[float]]) -> Floats:
    counted = np.array(counts, dtype=np.float64)
    counted.setflags(write=False)
    return counted


def _signature(scorer: BLEU | CHRF, *, several: bool) -> str:
    """The number of references is known once something has been scored."""
    scorer.corpus_score(["", ""], [["", ""], ["", None]] if several else [["", ""]])
    return str(scorer.get_signature())
