"""Utilities of hypotheses as text: sentence chrF and sentence BLEU of all pairs at once, by sacreBLEU's rules.

Axes: N hypotheses of one source, first in the hypothesis' place, then in the reference's; O orders of n-grams.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics import CHRF

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.decoding import Utility
from intelligen.data.bleu_tokenizers import word_splitter
from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.sacrebleu_metrics import ORDERS, ChrF
from intelligen.evaluation.text_health import ngrams


@dataclass(frozen=True)
class TextUtility:
    """What minimum Bayes risk decoding compares hypotheses by."""

    decode: Callable[[Sequence[Sequence[int]]], list[str]]
    """Tokens as text."""
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER
    """BLEU's."""

    def __call__(self, hypotheses: Sequence[Sequence[int]], *, metric: Utility) -> Floats:
        """[N, N], each in 0–100."""
        texts = self.decode(hypotheses)
        return chrf_of_pairs(texts) if metric == "chrf" else bleu_of_pairs(texts, tokenizer=self.tokenizer)


def chrf_of_pairs(texts: Sequence[str]) -> Floats:
    """Sentence chrF of each text (row) against each (column)."""
    characters = ["".join(text.split()) for text in texts]
    counts = []
    for order in range(1, CHRF.CHAR_ORDER + 1):
        both_NN = _in_common([ngrams(text, order) for text in characters])
        own_N = both_NN.diagonal()
        counts += [np.broadcast_to(own_N[:, None], both_NN.shape), np.broadcast_to(own_N, both_NN.shape), both_NN]
    return ChrF().value(np.stack(counts, axis=-1))


def bleu_of_pairs(texts: Sequence[str], *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER) -> Floats:
    """Sentence BLEU of each text (row) against each (column).

    As sacreBLEU's `sentence_bleu`: of a text without 4-grams the shorter ones count alone (effective order), and an
    order without a right n-gram counts 1/2, the next such order 1/4, … of one.
    """
    words = [word_splitter(tokenizer)(text) for text in texts]
    length_N = np.array([len(one) for one in words], dtype=np.float64)
    right_NNO = np.stack([_in_common([ngrams(one, order) for one in words]) for order in range(1, ORDERS + 1)], axis=-1)
    tried_NO = np.maximum(length_N[:, None] - np.arange(ORDERS), 0)
    none_right_NNO = right_NNO == 0
    smoothed_NNO = np.where(none_right_NNO, 0.5 ** np.cumsum(none_right_NNO, axis=-1), right_NNO)
    log_NNO = np.log(smoothed_NNO / np.maximum(tried_NO, 1)[:, None])
    counted_NO = tried_NO > 0
    orders_N1 = np.maximum(counted_NO.sum(axis=-1), 1)[:, None]
    precision_NN = np.exp((log_NNO * counted_NO[:, None]).sum(axis=-1) / orders_N1)
    brevity_NN = np.exp(np.minimum(0.0, 1 - length_N / np.maximum(length_N, 1)[:, None]))
    return np.where(right_NNO.any(axis=-1), 100 * brevity_NN * precision_NN, 0.0)


def _in_common(grams: Sequence[Iterable[Hashable]]) -> Floats:
    """N-grams that two texts have in common, each as often as the text has it that has it less often: [N, N].

    The second time that an n-gram occurs in a text counts as another n-gram, and so on; so each text has each at most
    once, and what two have in common is a product of zeros and ones.
    """
    columns: dict[tuple[Hashable, int], int] = {}
    found: list[list[int]] = []
    for text in grams:
        times: Counter[Hashable] = Counter()
        found.append([])
        for gram in text:
            times[gram] += 1
            found[-1].append(columns.setdefault((gram, times[gram]), len(columns)))
    occurs_NC = np.zeros((len(found), len(columns)), dtype=np.float32)  # exact: counts are far below 2^24
    for row, its_columns in enumerate(found):
        occurs_NC[row, its_columns] = 1
    return (occurs_NC @ occurs_NC.T).astype(np.float64)
