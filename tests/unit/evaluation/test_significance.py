"""Intervals agree with closed forms and with sacreBLEU; seeds and sentences both count; the odd cases are defined."""

from random import Random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from scipy import stats

from intelligen.evaluation.bootstrap_resampling import resampled_sums
from intelligen.evaluation.confidence_interval import interval
from intelligen.evaluation.corpus_scores import score
from intelligen.evaluation.decision_procedure import Comparison, decide
from intelligen.evaluation.evaluate import Shard
from intelligen.evaluation.sacrebleu_metrics import Bleu
from intelligen.evaluation.significance import (
    Difference,
    difference_of_statistics,
    differences_by_seeds,
    mean_interval,
    paired_difference,
    statistics_by_seed,
)
from intelligen.optimization import MetricSums

METRIC = Bleu()
bleu_of, bleu_statistics = METRIC.value, METRIC.statistics

WORDS = [f"w{index}" for index in range(60)]


def references(count: int = 60) -> list[str]:
    random = Random(1)
    return [" ".join(random.choices(WORDS, k=random.randint(1, 14))) + "." for _ in range(count)]


def translated(right: float, *, seed: int, count: int = 60) -> list[str]:
    """The references with a share of their words kept."""
    random = Random(seed)
    return [
        " ".join(word if random.random() < right else random.choice(WORDS) for word in reference.split())
        for reference in references(count)
    ]


def systems(right: float, *, seeds: int, first: int = 0) -> list[list[str]]:
    return [translated(right, seed=first + seed) for seed in range(seeds)]


def alike(*rights: int) -> np.ndarray:
    """By seed, 40 sentences of 20 tokens that are all equally right: sentences do not vary, seeds do."""
    return np.array([[[20, 20, right, 9, 8, 7, 20, 19, 18, 17]] * 40 for right in rights], dtype=float)


def alone(difference: Difference) -> Comparison:
    """Decided as the only one."""
    (found,) = decide([difference], family=1)
    return found


def compare_systems(*sides: list[list[str]], metric: Bleu) -> Comparison:
    return alone(paired_difference(sides[0], sides[1], sides[2], metric=metric))


def compare_statistics(*sides: np.ndarray, metric: Bleu) -> Comparison:
    return alone(difference_of_statistics(*sides, metric=metric))


@pytest.mark.parametrize(
    "hypotheses",
    [
        translated(0.8, seed=1),
        translated(0.0, seed=2),
        ["nothing is right here"] * 60,
        [""] * 60,
        ["", *translated(0.9, seed=3)[1:]],
        [text.split()[0] for text in references()],
        [f"{text} {text}" for text in references()],
    ],
    ids=["good", "bad", "no match", "empty", "one empty", "one word", "too long"],
)
def test_summed_statistics_score_as_sacrebleu_does(hypotheses):
    found = bleu_of(bleu_statistics(hypotheses, references()).sum(axis=0))
    assert found == pytest.approx(BLEU().corpus_score(hypotheses, [references()]).score, rel=1e-12)
    shard = Shard(dict(enumerate(hypotheses)), MetricSums({"loss": (1.0, 1)}))
    assert found == pytest.approx(score([shard], references()).metrics["bleu"], rel=1e-12)


def test_the_bootstrap_of_a_mean_has_the_variance_of_the_closed_form():
    values = np.random.default_rng(5).gamma(2.0, size=(2, 300, 1))
    values[1] += values[0]
    means = resampled_sums(values, resamples=4000, seed=1)[..., 0] / 300
    expected = np.cov(values[..., 0], ddof=0) / 300
    # The standard error of a variance from R resamples is its √(2/R).
    assert np.cov(means, rowvar=False) == pytest.approx(expected, rel=4 * (2 / 4000) ** 0.5)


def test_many_sentences_are_resampled_in_parts():
    values = np.ones((1, 3_000_000, 1))
    assert resampled_sums(values, resamples=3, seed=1).ravel().tolist() == [3e6] * 3


def test_a_mean_over_one_seed_has_the_interval_that_its_model_has_everywhere():
    hypotheses = translated(0.7, seed=4)
    found = mean_interval([hypotheses], references(), metric=METRIC)
    assert found == interval(hypotheses, references(), metric=METRIC)
    # As wide as sacreBLEU's, which is symmetric about the resamples' mean.
    theirs = BLEU().corpus_score(hypotheses, [references()], n_bootstrap=1000)
    assert found.high - found.low == pytest.approx(2 * theirs._ci, rel=0.1)


def test_the_bounds_of_an_interval_are_percentiles_of_what_sacrebleu_makes_of_resamples():
    hypotheses, right, random = translated(0.7, seed=4), references(), np.random.default_rng(9)
    scores = []
    for _ in range(1000):
        rows = random.integers(60, size=60)
        scores.append(BLEU().corpus_score([hypotheses[row] for row in rows], [[right[row] for row in rows]]).score)
    found = interval(hypotheses, right, resamples=4000, metric=METRIC)
    # The standard error of these percentiles is about a tenth of the interval's width over √(1000 / 40).
    assert (found.low, found.high) == pytest.approx(np.percentile(scores, (2.5, 97.5)), abs=1.2)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("right", [0.0, 0.5, 0.9, 1.0])
def test_an_interval_holds_its_value_and_stays_on_the_scale(count, right):
    for seed in range(10):
        found = interval(translated(right, seed=seed, count=count), references(count), resamples=200, metric=METRIC)
        assert 0 <= found.low <= found.value <= found.high <= 100


def test_a_perfect_score_has_no_bound_above_it():
    # sacreBLEU's own interval is 100.00 [19.70, 119.70] here: a resample of short sentences alone scores 0.
    texts = ["one two three four", "one", "two", "three"]
    found = interval(texts, texts, metric=METRIC)
    assert (found.value, found.high) == (100, 100)
    assert BLEU().corpus_score(texts, [texts], n_bootstrap=1000)._ci > 30


def test_where_sentences_do_not_vary_the_interval_is_students_over_seeds():
    ours, control = alike(15, 17, 16), alike(13, 14, 15)
    scores = [bleu_of(side.sum(axis=1)) for side in (ours, control)]
    expected = stats.ttest_rel(*scores)
    found = compare_statistics(ours, control, metric=METRIC)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_where_seeds_do_not_vary_the_interval_is_that_over_sentences():
    ours, control = translated(0.8, seed=1), translated(0.7, seed=2)
    one = paired_difference([ours], [control], references(), metric=METRIC)
    three = compare_systems([ours] * 3, [control] * 3, references(), metric=METRIC)
    reach = one.spread.half_width(0.05)
    assert (three.delta, three.low, three.high) == pytest.approx((one.delta, one.delta - reach, one.delta + reach))


def test_the_half_widths_of_seeds_and_of_sentences_add_as_squares():
    # Ours is better in the first half, the control in the second, with every seed.
    better, worse = systems(0.9, seeds=4), systems(0.5, seeds=4, first=9)
    ours = [good[:30] + bad[30:] for good, bad in zip(better, worse, strict=True)]
    control = [bad[:30] + good[30:] for good, bad in zip(better, worse, strict=True)]
    statistics = [np.stack([bleu_statistics(text, references()) for text in side]) for side in (ours, control)]
    deltas = np.subtract(*(bleu_of(side.sum(axis=1)) for side in statistics))
    resampled = bleu_of(resampled_sums(np.concatenate(statistics), resamples=1000, seed=0))
    covariance = np.cov(resampled[:, :4] - resampled[:, 4:], rowvar=False)
    common = (covariance.sum() - covariance.trace()) / 12
    assert common > 1
    over_seeds, over_sentences = stats.t.ppf(0.975, 3) * stats.sem(deltas), stats.t.ppf(0.975, 59) * common**0.5
    found = compare_statistics(*statistics, metric=METRIC)
    assert (found.high - found.low) / 2 == pytest.approx(np.hypot(over_seeds, over_sentences))


def test_p_is_below_5_percent_exactly_where_the_interval_leaves_0_out():
    found = [
        compare_systems(
            systems(0.7 + step / 100, seeds=3, first=7 * step),
            systems(0.7, seeds=3, first=90),
            references(),
            metric=METRIC,
        )
        for step in range(1, 16)
    ]
    outside = [one.low > 0 or one.high < 0 for one in found]
    assert [one.p_value < 0.05 for one in found] == outside
    assert 0 < sum(outside) < len(outside)


def test_the_sides_and_the_order_of_seeds_make_no_other_difference():
    ours, control = systems(0.8, seeds=3), systems(0.7, seeds=3, first=5)
    found, turned = (
        compare_systems(ours, control, references(), metric=METRIC),
        compare_systems(control, ours, references(), metric=METRIC),
    )
    assert (turned.delta, turned.low, turned.p_value) == pytest.approx((-found.delta, -found.high, found.p_value))
    reversed_seeds = compare_systems(ours[::-1], control[::-1], references(), metric=METRIC)
    assert (reversed_seeds.low, reversed_seeds.p_value) == pytest.approx((found.low, found.p_value))


def test_differences_of_the_first_seeds_are_those_of_a_study_that_has_no_others():
    ours, control = systems(0.8, seeds=4), systems(0.7, seeds=4, first=5)
    sides = [statistics_by_seed(side, references(), METRIC) for side in (ours, control)]
    found = differences_by_seeds(*sides, metric=METRIC)
    alone = [paired_difference(ours[:n], control[:n], references(), metric=METRIC) for n in range(1, 5)]
    assert found == alone


def test_the_same_systems_do_not_differ():
    ours = systems(0.7, seeds=3)
    found = compare_systems(ours, ours, references(), metric=METRIC)
    assert (found.delta, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.difference.effect_size is None


def test_a_difference_that_never_varies_is_certain():
    found = compare_statistics(alike(16, 16, 16), alike(14, 14, 14), metric=METRIC)
    assert found.delta > 0
    assert (found.low, found.high) == pytest.approx((found.delta, found.delta))
    assert (found.p_value, found.difference.effect_size) == (pytest.approx(0), None)


def test_empty_hypotheses_are_compared():
    empty, good = [[""] * 60] * 3, systems(0.8, seeds=3)
    found = compare_systems(empty, good, references(), metric=METRIC)
    assert found.delta == pytest.approx(-np.mean([BLEU().corpus_score(text, [references()]).score for text in good]))
    assert compare_systems(empty, empty, references(), metric=METRIC).p_value == 1


@pytest.mark.parametrize(
    ("ours", "control", "message"),
    [
        ([], [], "got 0 and 0"),
        (systems(0.8, seeds=2), systems(0.8, seeds=3), "got 2 and 3"),
        ([["a"] * 59], [["a"] * 60], "59 hypotheses for 60 references"),
    ],
)
def test_what_does_not_match_is_refused(ours, control, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(ours, control, references(), metric=METRIC)


def test_one_sentence_has_no_interval_over_seeds():
    with pytest.raises(ValueError, match="two or more"):
        mean_interval([["a b c d"]] * 2, ["a b c d"], metric=METRIC)
    with pytest.raises(ValueError, match="needs a seed"):
        mean_interval([], references(), metric=METRIC)


def test_a_mean_stays_within_the_scale():
    found = mean_interval([references(), [""] * 60], references(), metric=METRIC)
    assert (found.low, found.value, found.high) == (0, 50, 100)


def test_hedges_g_is_the_difference_in_deviations_between_seeds_less_its_bias():
    found = compare_statistics(alike(15, 17, 16), alike(13, 14, 15), metric=METRIC)
    deltas = bleu_of(alike(15, 17, 16).sum(axis=1)) - bleu_of(alike(13, 14, 15).sum(axis=1))
    # Γ(1) / (√(2/2) Γ(1/2)) for two degrees of freedom.
    assert found.difference.effect_size == pytest.approx(deltas.mean() / deltas.std(ddof=1) / np.pi**0.5)
    assert compare_statistics(alike(15, 17), alike(13, 14), metric=METRIC).difference.effect_size is None
