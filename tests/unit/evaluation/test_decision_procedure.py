"""All verdicts of a study together are seldom wrong, and are read from one interval with its p."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Comparison, Verdict, decide
from intelligen.evaluation.moderated_variance import Moderated, moderate
from intelligen.evaluation.significance import ALPHA, Difference, Spread
from intelligen.evaluation.simulated_studies import simulated

PATTERNS = {
    "equal": [0.41] * 5,
    "spread": [0.13, 0.25, 0.41, 0.55, 0.75],
    "one noisy": [0.3] * 4 + [0.75],
    "one very noisy": [0.2] * 4 + [1.0],
}
STUDIES, TOLERATED = 2000, 0.062
"""A true 5 % is above this in one of a hundred such simulations."""


def difference(delta: float, sd: float, *, seeds: int = 5, sentence_sd: float = 0.05) -> Difference:
    return Difference(delta, Spread(sd**2, sentence_sd**2, seeds, 1000))


def decided(
    deltas: Sequence[float],
    *,
    margin: float | None = None,
    higher_is_better: bool = True,
    level: Callable[[float], float] = lambda alpha: alpha,
) -> list[Comparison]:
    differences = [difference(delta, 0.3 + 0.02 * number) for number, delta in enumerate(deltas)]
    return decide(differences, family=5, margin=margin, higher_is_better=higher_is_better, level=level)


def pooled(variances_NK: Floats, degrees_NK: Floats, *, weight: float) -> Moderated:
    del weight
    mean = np.broadcast_to(variances_NK.mean(axis=-1, keepdims=True), variances_NK.shape)
    return Moderated(mean, np.full_like(variances_NK, degrees_NK.sum()))


def false_claims(
    pattern: str, seeds: int, *, moderated: Callable[..., Moderated] = moderate, sentence_sd: float = 0.0
) -> float:
    rng = np.random.default_rng(20261130)
    found = simulated(
        PATTERNS[pattern], seeds=seeds, studies=STUDIES, rng=rng, sentence_sd=sentence_sd, moderated=moderated
    )
    return float(found.different(0.0, level=ALPHA / 5).any(axis=1).mean())


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_claim_of_copies_is_seldom_made(pattern: str, seeds: int) -> None:
    assert false_claims(pattern, seeds) <= TOLERATED


def test_nor_where_sentences_vary_as_much_as_seeds() -> None:
    assert false_claims("spread", 5, sentence_sd=0.3) <= TOLERATED


def test_pooled_variances_would_make_one_far_too_often() -> None:
    assert false_claims("one noisy", 5, moderated=pooled) > 2 * TOLERATED


def test_differences_of_the_margin_are_seldom_called_equivalent() -> None:
    found = simulated([0.41] * 5, seeds=10, studies=STUDIES, rng=np.random.default_rng(1))
    assert found.equivalent(0.5, margin=0.5, level=ALPHA / 5).any(axis=1).mean() <= TOLERATED
    assert found.equivalent(0.0, margin=0.5, level=ALPHA / 5).mean() > 0.5


def test_moderated_variances_find_more_than_each_comparisons_own() -> None:
    found = simulated([0.41] * 5, seeds=5, studies=STUDIES, rng=np.random.default_rng(1))
    own = stats.t.isf(0.005, 4) * 0.41 / 5**0.5
    assert found.better(own, level=0.01).mean() > 0.6


def test_a_simulated_study_is_decided_as_a_real_one() -> None:
    found = simulated(
        [0.3, 0.5, 0.4],
        seeds=4,
        studies=1,
        rng=np.random.default_rng(3),
        moderated=lambda v, d, weight: Moderated(v, d),
    )
    variances = found.known.variances[0]
    differences = [Difference(1.0, Spread(float(one), 0.0, 4, 1000)) for one in variances]
    widths = moderate(variances, np.full(3, 3.0), weight=3.0)
    reach = [-stats.t.ppf(0.05 / 3 / 2, d) * (v / 4) ** 0.5 for v, d in zip(*widths, strict=True)]
    assert [one.delta - one.low for one in decide(differences, family=3)] == pytest.approx(reach)


@pytest.mark.parametrize("seeds", [2, 4])
def test_moderated_variances_by_hand(seeds: int) -> None:
    degrees = seeds - 1.0
    variances = np.array([0.1, 0.2, 0.3])
    found, of = moderate(variances, np.full(3, degrees), weight=4.0)
    assert found == pytest.approx((4 * 0.2 + degrees * variances) / (4 + degrees))
    own, other = (4 / 3 + degrees) / (4 + degrees), 4 / 3 / (4 + degrees)
    assert of == pytest.approx([min(4 + degrees, degrees / (own**2 + 2 * other**2))] * 3)


def test_a_noisy_comparison_keeps_its_own_variance_and_a_single_one_too() -> None:
    noisy = moderate(np.array([0.1, 0.1, 9.0]), np.full(3, 4.0))
    assert (noisy.variances[2], noisy.degrees[2]) == (9.0, 4.0)
    assert noisy.degrees[0] > 4
    alone = moderate(np.array([0.7]), np.array([2.0]))
    assert (alone.variances[0], alone.degrees[0]) == pytest.approx((0.7, 2.0))


def test_p_is_below_5_percent_exactly_where_the_interval_leaves_0_out() -> None:
    found = [one for step in range(40) for one in decided([0.05 * step, 0.0, 0.1, -0.05 * step, 0.2])]
    outside = [one.low > 0 or one.high < 0 for one in found]
    assert [one.p_value < ALPHA for one in found] == outside
    assert [one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in found] == outside
    assert 0 < sum(outside) < len(outside)


def test_p_is_five_times_that_of_a_comparison_alone() -> None:
    one = difference(0.6, 0.4, sentence_sd=0.0)
    alone = 2 * stats.t.sf(0.6 / (0.4 / 5**0.5), 4)
    assert decide([one], family=1)[0].p_value == pytest.approx(alone)
    assert decide([one], family=5)[0].p_value == pytest.approx(5 * alone)
    assert decide([difference(0.01, 0.4)], family=5)[0].p_value == 1.0


def test_verdicts_by_hand() -> None:
    found = decided([3.0, -3.0, 0.05, 0.5, 0.0], margin=0.8)
    assert [one.verdict for one in found] == ["better", "worse", "equivalent", "open", "equivalent"]
    without = decided([3.0, -3.0, 0.05, 0.5, 0.0])
    assert [one.verdict for one in without] == ["better", "worse", "open", "open", "open"]
    assert found[2].high < without[2].high, "two one-sided tests are read from a narrower interval"
    turned = decided([3.0, -3.0], higher_is_better=False)
    assert [one.verdict for one in turned] == ["worse", "better"]


def test_a_looks_own_level_makes_intervals_wider_and_p_larger() -> None:
    usual, strict = decided([0.9, 0.1]), decided([0.9, 0.1], level=lambda alpha: 0.027 * alpha)
    assert strict[0].high > usual[0].high
    assert strict[0].p_value == pytest.approx(min(1.0, usual[0].p_value / 0.027))
    assert (usual[0].verdict, strict[0].verdict) == ("better", "open")


def test_nothing_to_decide_is_decided_as_nothing() -> None:
    assert decide([], family=3) == []
