"""Health of hypotheses as text: repeated, all alike, empty, overlong or copied from the source."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu_tokenizers import word_splitter
from intelligen.optimization import MetricSums

TEXT_SHARES: Final = ("repetition_pct", "empty_pct", "overlong_pct", "copy_pct")
OVERLONG: Final = 2
"""A hypothesis of more than so many times its reference's tokens is overlong."""
REPEATED_ORDER: Final = 4


def text_shares(
    hypotheses: Sequence[str],
    *,
    sources: Sequence[str],
    references: Sequence[str],
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
) -> MetricSums:
    """What is wrong with hypotheses, in percent.

    Args:
        hypotheses: Detokenised, as the others.
        sources: Of each hypothesis.
        references: Of each hypothesis.
        tokenizer: BLEU's, whose tokens are counted.

    Returns:
        `repetition_pct`: 4-grams that occurred earlier in the same hypothesis (seq-rep-4 of Welleck et al. 2020, here
        pooled over the corpus); `empty_pct` and `overlong_pct`: hypotheses; `copy_pct`: tokens that occur in the source
        but not in the reference. A share of no 4-grams or no tokens is missing.

    """
    words = word_splitter(tokenizer)
    counted, repeated, empty, overlong, tokens, copied = 0, 0, 0, 0, 0, 0
    for hypothesis, source, reference in zip(map(words, hypotheses), sources, map(words, references), strict=True):
        found = list(ngrams(hypothesis, REPEATED_ORDER))
        counted += len(found)
        repeated += len(found) - len(set(found))
        empty += not hypothesis
        overlong += len(hypothesis) > OVERLONG * len(reference)
        foreign = set(words(source)).difference(reference)
        tokens += len(hypothesis)
        copied += sum(word in foreign for word in hypothesis)
    counts = ((repeated, counted), (empty, len(hypotheses)), (overlong, len(hypotheses)), (copied, tokens))
    return MetricSums({name: (100 * part, whole) for name, (part, whole) in zip(TEXT_SHARES, counts, strict=True)})


def text_measures(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER
) -> dict[str, float]:
    """What is counted of a whole split's hypotheses, by the tokenizer's words.

    Args:
        hypotheses: Detokenised, as the references.
        references: Of each hypothesis.
        tokenizer: BLEU's.

    Returns:
        `length_ratio`: tokens of the hypotheses over those of the references (over 1 where these have none);
        `distinct_1` and `distinct_2`.

    """
    words = word_splitter(tokenizer)
    found, expected = (sum(len(words(text)) for text in side) for side in (hypotheses, references))
    return {
        "length_ratio": found / max(1, expected),
        "distinct_1": distinct(hypotheses, 1, tokenizer=tokenizer),
        "distinct_2": distinct(hypotheses, 2, tokenizer=tokenizer),
    }


def distinct(hypotheses: Sequence[str], order: int, *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER) -> float:
    """Distinct n-grams of all hypotheses / their n-grams (Li et al. 2016), in 0–1; 0 where there is none."""
    words = word_splitter(tokenizer)
    found = list(chain.from_iterable(ngrams(words(hypothesis), order) for hypothesis in hypotheses))
    return len(set(found)) / len(found) if found else 0.0


def ngrams(tokens: Sequence[str], order: int) -> Iterator[tuple[str, ...]]:
    """All runs of so many tokens."""
    return zip(*(tokens[start:] for start in range(order)), strict=False)
