"""Every metric equals an independent computation of it, is a function of sums, and says which way it points."""

import json
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from conftest import REPOSITORY
from sacrebleu.metrics import BLEU, CHRF

from intelligen.config.schema.columns import joined_references
from intelligen.evaluation import Shard, score
from intelligen.evaluation.answer_words import answer_words
from intelligen.evaluation.confidence_interval import interval
from intelligen.evaluation.metric import Accuracy, ExactMatch, MacroF1, Metric, Perplexity, TokenF1
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.evaluation.significance import mean_interval, paired_difference
from intelligen.optimization import MetricSums

WORDS = ["Haus", "Hund,", "läuft", "ein", "der", "schnell!", "a", "I"]


def texts(seed: int, count: int = 40) -> list[str]:
    random = Random(seed)
    return [" ".join(random.choices(WORDS, k=random.randint(1, 9))) for _ in range(count)]


def spoilt(right: Sequence[str], seed: int) -> list[str]:
    random = Random(seed)
    return [" ".join(w if random.random() < 0.7 else random.choice(WORDS) for w in text.split()) for text in right]


ODD = {
    "good": spoilt(texts(1), 2),
    "bad": texts(9),
    "empty": [""] * 40,
    "one empty": ["", *texts(1)[1:]],
    "no match": ["zzz yyy xxx ww"] * 40,
    "one letter": ["H"] * 40,
    "perfect": texts(1),
}


@pytest.mark.parametrize("hypotheses", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("references", [texts(1), ["a"] * 40, ["", *texts(1)[1:]]], ids=["texts", "short", "one empty"])
@pytest.mark.parametrize(("metric", "oracle"), [(Bleu(), BLEU(force=True)), (ChrF(), CHRF())], ids=["bleu", "chrf"])
def test_a_metric_of_texts_is_what_sacrebleu_says(metric, oracle, hypotheses, references):
    expected = oracle.corpus_score(hypotheses, [references])
    assert metric.score(hypotheses, references) == pytest.approx(expected.score, rel=1e-12)
    assert metric.signature == str(oracle.get_signature())


def test_what_an_evaluation_records_is_the_metrics_of_its_texts():
    found = score([Shard(dict(enumerate(ODD["good"])), MetricSums())], texts(1))
    for metric in (Bleu(), ChrF()):
        assert found.metrics[metric.name] == pytest.approx(metric.score(ODD["good"], texts(1)), rel=1e-12)
        assert found.signatures[f"{metric.name}_signature"] == metric.signature


def classes(seed: int, count: int = 60, *, among: Sequence[int] = (0, 1, 2, 3)) -> list[int]:
    random = Random(seed)
    return [random.choice(among) for _ in range(count)]


def f1_by_counting(predicted: Sequence[int], expected: Sequence[int]) -> float:
    """scikit-learn's `f1_score(average="macro")`, class by class: precision, recall, their harmonic mean."""
    scores = []
    for one in sorted({*predicted, *expected}):
        right = sum(p == e == one for p, e in zip(predicted, expected, strict=True))
        precision = right / predicted.count(one) if predicted.count(one) else 0.0
        recall = right / expected.count(one) if expected.count(one) else 0.0
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return 100 * sum(scores) / len(scores)


@pytest.mark.parametrize("among", [(0, 1, 2, 3), (1,), (0, 3)], ids=str)
def test_macro_f1_is_the_mean_of_the_occurring_classes_f1(among):
    predicted, expected = classes(1, among=among), classes(2, among=(0, 1, 2))
    assert MacroF1(tuple(range(4))).score(predicted, expected) == pytest.approx(f1_by_counting(predicted, expected))
    assert MacroF1(tuple(range(4))).score(expected, expected) == 100


def test_macro_f1_of_a_resample_without_a_class_leaves_that_class_out():
    assert MacroF1(tuple(range(5))).score([0, 1], [0, 1]) == 100
    # F1 of 2/3, 0 and 0: class 2 was predicted and class 1 expected.
    assert MacroF1(tuple(range(5))).score([0, 2], [0, 1]) == pytest.approx(100 / 3)
    with pytest.raises(ValueError, match="macro-F1: 'other' is none of its 2 classes"):
        MacroF1(("good", "bad")).score(["good", "other"], ["good", "bad"])


def test_accuracy_is_the_share_of_right_rows():
    predicted, expected = classes(1), classes(2)
    right = sum(p == e for p, e in zip(predicted, expected, strict=True))
    assert Accuracy().score(predicted, expected) == pytest.approx(100 * right / 60)


def test_perplexity_of_a_uniform_guess_is_the_number_of_words():
    tokens = [3, 5, 1]
    assert Perplexity().score([n * np.log(17) for n in tokens], tokens) == pytest.approx(17)
    # Tokens weigh alike, rows do not: e^((1 + 9) / (1 + 3)).
    assert Perplexity().score([1.0, 9.0], [1, 3]) == pytest.approx(np.exp(2.5))


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 1, 1.0),
        ("in the Eiffel Tower", ["Eiffel Tower", "Paris"], 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("Paris", ["Eiffel Tower", "Paris"], 1, 1.0),
        ("London", ["Paris"], 0, 0.0),
        ("very very good", ["very good"], 0, 0.8),
        ("", [], 1, 1.0),
        ("something", [], 0, 0.0),
        ("", ["Paris"], 0, 0.0),
        ("the", ["a"], 1, 1.0),
    ],
)
def test_answers_score_as_squads_script_scores_them(answer, references, exact, f1):
    assert ExactMatch().score([answer], [references]) == pytest.approx(100 * exact)
    assert TokenF1().score([answer], [references]) == pytest.approx(100 * f1)


def test_words_of_answers_are_compared_without_case_articles_and_punctuation():
    assert answer_words("The U.S. had an 'A' - thesis, anyway.") == ["us", "had", "thesis", "anyway"]


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("《서울》 특별시", ["서울 특별시"], 1, 1.0),  # brackets are spaces there
        ("서울특별시", ["서울 특별시"], 0, 1.0),  # spaces count for exact match, not for characters
        ("서울", ["서울시", "부산"], 0, 2 * 2 / 5),
        ("서울에서", ["서울"], 0, 2 * 2 / 6),
        ("the A-1", ["A1"], 0, 2 * 2 / 7),  # no article goes
        ("부산", ["서울"], 0, 0.0),
    ],
)
def test_answers_score_as_korquads_script_scores_them(answer, references, exact, f1):
    assert ExactMatch("korquad").score([answer], [references]) == pytest.approx(100 * exact)
    assert TokenF1("korquad").score([answer], [references]) == pytest.approx(100 * f1)
    assert TokenF1("korquad").signature == "script:korquad"
    assert TokenF1().signature == ""


@pytest.mark.parametrize(("metric", "oracle"), [(Bleu, BLEU(force=True)), (ChrF, CHRF())], ids=["bleu", "chrf"])
def test_every_reference_of_a_row_counts_as_in_sacrebleu(metric, oracle):
    first, second = texts(1), [text if row % 2 else None for row, text in enumerate(texts(3))]
    both = [joined_references([one, *([other] if other else [])]) for one, other in zip(first, second, strict=True)]
    hypotheses = [*spoilt(texts(1), 2)[:20], *spoilt(texts(3), 2)[20:]]
    expected = oracle.corpus_score(hypotheses, [first, second])
    assert metric(several=True).score(hypotheses, both) == pytest.approx(expected.score, rel=1e-12)
    assert metric(several=True).signature == str(oracle.get_signature())
    assert metric(several=True).score(hypotheses, first) == pytest.approx(metric().score(hypotheses, first))


def test_joined_references_score_as_a_list_of_them():
    for metric in (ExactMatch(), TokenF1(), TokenF1("korquad")):
        for answer in ("in Paris", "Rome", ""):
            listed = metric.score([answer], [["Paris", "in Paris now"]])
            assert metric.score([answer], [joined_references(["Paris", "in Paris now"])]) == listed


STORED = json.loads((REPOSITORY / "tests/golden/metrics.json").read_text("utf-8"))
"""What others say of stored predictions, with their versions and the command that made the file."""


@pytest.mark.parametrize("case", STORED["classification"])
def test_accuracy_and_macro_f1_are_scikit_learns(case):
    sides = case["predictions"], case["references"]
    rows, share = len(case["references"]), case["accuracy_score"]
    right = round(rows * share)
    assert right / rows == share
    # The nearest number to 100 times that fraction: it is rounded once, and not before and after the product.
    assert Accuracy().score(*sides) == 100 * right / rows == float(100 * Fraction(right, rows))
    macro_f1 = 100 * case["f1_score(average='macro')"]
    assert MacroF1().score(*sides) == macro_f1
    assert MacroF1(tuple(sorted({*sides[0], *sides[1], "never seen"}))).score(*sides) == macro_f1


def test_exact_match_and_token_f1_are_those_of_squads_official_script():
    case = STORED["answers"]
    sides = case["predictions"], case["references"]
    assert ExactMatch().score(*sides) == case["exact"]
    assert TokenF1().score(*sides) == case["f1"]
    assert TokenF1().statistics(*sides)[:, 0] == pytest.approx(case["f1 by row"], rel=1e-15)


def test_macro_f1_compares_systems_that_predict_different_classes():
    references = ["a", "b", "a", "b", "c", "a"]
    ours, control = ["a", "b", "a", "c", "c", "a"], ["a", "d", "a", "d", "e", "a"]
    found = paired_difference([ours], [control], references, metric=MacroF1(), resamples=50)
    assert found.delta == pytest.approx(MacroF1().score(ours, references) - MacroF1().score(control, references))
    mean = mean_interval([ours, control], references, metric=MacroF1(), resamples=50)
    assert mean.value == pytest.approx((MacroF1().score(ours, references) + MacroF1().score(control, references)) / 2)


def test_perplexity_reads_what_it_writes():
    nats = [1.25, 9.000000000000002]
    texts = [*map(Perplexity.nats, nats)]
    assert texts[0] == "1.25 nats"
    assert Perplexity().score(texts, [Perplexity.tokens(1), "3 tokens"]) == Perplexity().score(nats, [1, 3])


ANSWERS = [[text] for text in texts(1)]
CASES: dict[str, tuple[Metric, Sequence, Sequence]] = {
    "bleu": (Bleu(), spoilt(texts(1), 2), texts(1)),
    "chrf": (ChrF(), spoilt(texts(1), 2), texts(1)),
    "accuracy": (Accuracy(), classes(1), classes(2)),
    "macro_f1": (MacroF1(tuple(range(4))), classes(1), classes(2)),
    "perplexity": (Perplexity(), list(np.random.default_rng(1).gamma(9.0, size=40)), [4] * 40),
    "exact_match": (ExactMatch(), spoilt(texts(1), 2), ANSWERS),
    "token_f1": (TokenF1(), spoilt(texts(1), 2), ANSWERS),
}


@pytest.mark.parametrize("name", CASES)
def test_a_metric_is_a_function_of_sums_over_rows(name):
    metric, predictions, references = CASES[name]
    statistics_MK = metric.statistics(predictions, references)
    assert len(statistics_MK) == len(references)
    drawn = Random(5).choices(range(len(references)), k=len(references))
    weights = Counter(drawn)
    sums_K = sum(weights[row] * statistics_MK[row] for row in weights)
    again = metric.score([predictions[row] for row in drawn], [references[row] for row in drawn])
    assert float(metric.value(sums_K)) == pytest.approx(again)
    # Several systems at a time, as the bootstrap has them.
    both = metric.value(np.stack([statistics_MK.sum(axis=0), sums_K]))
    assert both == pytest.approx([metric.score(predictions, references), again])


@pytest.mark.parametrize("name", CASES)
def test_intervals_of_every_metric_hold_the_value_and_stay_in_its_range(name):
    metric, predictions, references = CASES[name]
    found = interval(predictions, references, metric=metric, resamples=300)
    mean = mean_interval([predictions, predictions[::-1]], references, metric=metric, resamples=300)
    least, most = metric.range
    for one in (found, mean):
        assert least <= one.low <= one.value <= one.high <= most
    assert found.low < found.high
    assert found.value == pytest.approx(metric.score(predictions, references))


@pytest.mark.parametrize("name", CASES)
def test_a_difference_by_any_metric_is_ours_less_the_controls(name):
    metric, predictions, references = CASES[name]
    found = paired_difference([predictions] * 2, [predictions[::-1]] * 2, references, metric=metric, resamples=100)
    expected = metric.score(predictions, references) - metric.score(predictions[::-1], references)
    assert found.delta == pytest.approx(expected)
    with pytest.raises(ValueError, match="references"):
        metric.statistics(predictions[1:], references)


def test_the_bootstrap_of_a_share_has_the_closed_forms_interval():
    right = [1] * 300 + [0] * 100
    found = interval([1] * 400, right, metric=Accuracy(), resamples=4000)
    # √(p (1 − p) / m) of a share, in per cent.
    error = 100 * (0.75 * 0.25 / 400) ** 0.5
    assert (found.value - found.low, found.high - found.value) == pytest.approx((1.96 * error,) * 2, rel=0.1)


def test_a_metric_knows_what_is_better():
    assert Bleu().improves(0.1)
    assert not Bleu().improves(0.0)
    assert Perplexity().improves(-0.1)
