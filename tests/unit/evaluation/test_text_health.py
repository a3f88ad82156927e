"""The measures of hypotheses' text, by hand."""

import pytest

from intelligen.data.bleu_tokenizers import word_splitter
from intelligen.evaluation.text_health import distinct, text_shares


def shares(hypothesis: str, *, source: str = "", reference: str = "") -> dict[str, float]:
    return text_shares([hypothesis], sources=[source], references=[reference]).means()


def test_words_are_those_that_bleu_counts():
    assert word_splitter("13a")(" The dog's  tail, 3.5 m.\n") == ["The", "dog's", "tail", ",", "3.5", "m", "."]


def test_repetition_is_the_share_of_4_grams_that_stood_there_before():
    # abcd bcda cdab dabc abcd
    assert shares("a b c d a b c d")["repetition_pct"] == pytest.approx(100 / 5)
    assert shares("a a a a a a")["repetition_pct"] == pytest.approx(100 * 2 / 3)
    assert shares("a b c d e f")["repetition_pct"] == 0


def test_repetition_is_sought_within_a_hypothesis_and_pooled_over_all():
    found = text_shares(["a a a a a", "a a a a", "b"], sources=[""] * 3, references=[""] * 3).means()
    assert found["repetition_pct"] == pytest.approx(100 * 1 / 3)


def test_empty_and_overlong_are_shares_of_hypotheses():
    hypotheses = ["", "   ", "a b c d", "a b c d e"]
    found = text_shares(hypotheses, sources=[""] * 4, references=["x y"] * 4).means()
    assert found["empty_pct"] == 50
    assert found["overlong_pct"] == 25


def test_copied_are_words_of_the_source_that_the_reference_does_not_have():
    found = shares("the cat Berlin red red x", source="the red cat Berlin", reference="die rote Katze Berlin")
    assert found["copy_pct"] == pytest.approx(100 * 4 / 6)


def test_shares_add_up_over_ranks():
    hypotheses, sources, references = ["a a a a a", "", "b c"], ["a", "b", "b"], ["a", "b", "c"]
    together = text_shares(hypotheses, sources=sources, references=references)
    apart = text_shares(hypotheses[:1], sources=sources[:1], references=references[:1])
    apart.add(text_shares(hypotheses[1:], sources=sources[1:], references=references[1:]))
    assert apart.to_lists() == together.to_lists()


def test_distinct_n_is_over_all_hypotheses():
    hypotheses = ["a b a b", "a b c", "c", ""]
    assert distinct(hypotheses, 1) == pytest.approx(3 / 8)
    assert distinct(hypotheses, 2) == pytest.approx(3 / 5)  # ab ba bc of ab ba ab ab bc


def test_nothing_has_no_variety():
    assert distinct(["", ""], 1) == 0
    assert distinct(["a", "b"], 2) == 0
