"""Scores are sacreBLEU's; in BLEU by the reference's length, each sentence counts in one bucket."""

from importlib.metadata import version

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from intelligen.evaluation.corpus_scores import bleu_by_length, score
from intelligen.evaluation.evaluate import Shard
from intelligen.optimization import MetricSums


def sentence(length: int) -> str:
    return " ".join(f"w{index}" for index in range(length))


def test_each_bucket_is_the_corpus_bleu_of_its_sentences():
    lengths = [4, 10, 11, 20, 31, 50]
    references = [sentence(length) for length in lengths]
    hypotheses = [reference.replace("w3", "x") for reference in references]
    pairs = list(zip(hypotheses, references, strict=True))
    expected = {"01-10": pairs[:2], "11-20": pairs[2:4], "31-up": pairs[4:]}
    assert bleu_by_length(hypotheses, references) == {
        f"bleu_by_length/{name}": pytest.approx(BLEU().corpus_score([h for h, _ in some], [[r for _, r in some]]).score)
        for name, some in expected.items()
    }


def test_lengths_are_of_the_reference_in_tokens_with_punctuation_apart():
    assert bleu_by_length([sentence(10)], [sentence(10)]).keys() == {"bleu_by_length/01-10"}
    assert bleu_by_length([sentence(3)], [sentence(10) + "."]).keys() == {"bleu_by_length/11-20"}


def test_an_empty_reference_and_empty_hypotheses_are_scored():
    assert bleu_by_length(["", ""], ["", sentence(25)]) == {"bleu_by_length/01-10": 0, "bleu_by_length/21-30": 0}


def test_a_split_is_scored_by_sacrebleu_with_signatures():
    rows = {0: "a cat sat on the mat", 1: "the dog"}
    references = ["the cat sat on the mat", "the dog ran"]
    found = score([Shard(rows, MetricSums({"loss": (1.0, 9)}))], references)
    hypotheses = [rows[0], rows[1]]
    for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
        assert found.metrics[name] == metric.corpus_score(hypotheses, [references]).score
        assert found.signatures[f"{name}_signature"] == str(metric.get_signature())


def test_moses_bleu_sees_neither_case_nor_how_punctuation_is_attached():
    reference, hypothesis = 'Der Hund, sagt er, "bellt" laut.', "der hund , sagt er , „ bellt “ laut ."
    found = score([Shard({0: hypothesis}, MetricSums({"loss": (1.0, 9)}))], [reference], moses_language="de")
    assert found.metrics["moses_bleu"] == pytest.approx(100)
    assert found.metrics["bleu"] < 60
    assert "case:lc" in found.signatures["moses_bleu_signature"]
    assert "tok:none|smooth:none" in found.signatures["moses_bleu_signature"]
    assert f"moses:de|sacremoses:{version('sacremoses')}" in found.signatures["moses_bleu_signature"]
