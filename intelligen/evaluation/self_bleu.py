"""Self-BLEU of hypotheses: how much each of them is like the others (Zhu et al. 2018); high = little diversity."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu_tokenizers import word_splitter
from intelligen.evaluation.sacrebleu_metrics import ORDERS, Bleu
from intelligen.evaluation.text_health import ngrams


def self_bleu(hypotheses: Sequence[str], *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER) -> float:
    """Corpus BLEU, 0–100, of all hypotheses, each against all the others as its references; 0 of a single one.

    Zhu et al. (2018, *Texygen*) take the mean of the sentences' BLEU; here n-grams are pooled over the corpus, as in
    BLEU itself.
    """
    words = word_splitter(tokenizer)
    sentences = [words(text) for text in hypotheses]
    if len(sentences) < 2:
        return 0.0
    right = [_right(sentences, order) for order in range(1, ORDERS + 1)]
    tried = [sum(max(0, len(one) - order) for one in sentences) for order in range(ORDERS)]
    lengths = [len(one) for one in sentences]
    return float(Bleu(tokenizer).value(np.array([sum(lengths), sum(_nearest(lengths)), *right, *tried], np.float64)))


def _right(sentences: Sequence[Sequence[str]], order: int) -> int:
    """N-grams that are in another sentence too, each as often as in the one that has most of it (clipped counts)."""
    counts = [Counter(ngrams(one, order)) for one in sentences]
    most: dict[tuple[str, ...], tuple[int, int]] = {}
    for gram, count in chain.from_iterable(one.items() for one in counts):
        first, second = most.get(gram, (0, 0))
        most[gram] = (count, first) if count > first else (first, max(second, count))

    def elsewhere(gram: tuple[str, ...], count: int) -> int:
        first, second = most[gram]
        return second if count == first else first

    return sum(min(count, elsewhere(gram, count)) for one in counts for gram, count in one.items())


def _nearest(lengths: Sequence[int]) -> list[int]:
    """For each length the nearest one of the others; of two the shorter."""
    ordered = sorted(lengths)

    def nearest(length: int) -> int:
        place = bisect_left(ordered, length)
        others = [ordered[at] for at in (place - 1, place + 1) if 0 <= at < len(ordered)]
        return min(others, key=lambda other: (abs(other - length), other))

    return [nearest(length) for length in lengths]
