"""Utilities of pairs are sacreBLEU's sentence scores, to the last digits that float64 has."""

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from intelligen.evaluation.text_utility import TextUtility, bleu_of_pairs, chrf_of_pairs

TEXTS = [
    "The old cat sleeps on the mat, and the dog sleeps too.",
    "the the the the the cat",
    "The old dog.",
    "",
    "x",
    "Ein Hund läuft, 3.5 km weit.",
    "  spaces   do not\tcount ",
    "The old cat sleeps on the mat, and the dog sleeps too!",
]


def test_chrf_of_all_pairs_is_sacrebleu_s() -> None:
    expected = [[CHRF().sentence_score(one, [other]).score for other in TEXTS] for one in TEXTS]
    np.testing.assert_allclose(chrf_of_pairs(TEXTS), expected, rtol=1e-12)


@pytest.mark.parametrize("tokenizer", ["13a", "char"])
def test_bleu_of_all_pairs_is_sacrebleu_s(tokenizer: str) -> None:
    bleu = BLEU(tokenize=tokenizer, effective_order=True)
    expected = [[bleu.sentence_score(one, [other]).score for other in TEXTS] for one in TEXTS]
    np.testing.assert_allclose(bleu_of_pairs(TEXTS, tokenizer=tokenizer), expected, rtol=1e-12)  # type: ignore[arg-type]


def test_a_single_text_has_one_utility() -> None:
    utility = TextUtility(lambda rows: [" ".join(map(str, row)) for row in rows])
    assert utility([[5, 6, 7, 8]], metric="chrf").shape == utility([[5, 6]], metric="bleu").shape == (1, 1)
