"""The smallest difference that a study is said to find is found in four of five studies."""

import numpy as np
import pytest

from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.sequential_procedure import SequentialPlan
from intelligen.evaluation.significance import ALPHA, Difference, Spread
from intelligen.evaluation.simulated_sequences import looked_at, simulated_scores
from intelligen.evaluation.simulated_studies import simulated
from intelligen.evaluation.study_power import (
    Power,
    Prior,
    prior_of,
    seeds_for,
    smallest_at_looks,
    smallest_difference,
)

PRIOR = Prior(sd=0.41, degrees=5.8, sentence_sd=0.06)


@pytest.mark.parametrize("family", [1, 5])
@pytest.mark.parametrize("seeds", [3, 5, 8, 16])
def test_the_smallest_difference_is_found_in_four_of_five_studies(family: int, seeds: int) -> None:
    smallest = smallest_difference(PRIOR, family=family, seeds=seeds)
    rng = np.random.default_rng(99)
    studies = simulated([PRIOR.sd] * family, seeds=seeds, studies=1000, rng=rng, sentence_sd=PRIOR.sentence_sd)
    assert 0.75 <= studies.better(smallest, level=ALPHA / family).mean() <= 0.85


@pytest.mark.parametrize("at_most", [5, 10])
def test_so_is_that_of_a_sequential_study(at_most: int) -> None:
    plan = SequentialPlan(Looks(3, at_most), family=5, margin=0.5)
    rng = np.random.default_rng(99)
    scores = simulated_scores([PRIOR.sd] * 5, seeds=at_most, studies=1000, rng=rng, sentence_sd=PRIOR.sentence_sd)
    found = looked_at(scores.plus(smallest_at_looks(PRIOR, plan)), plan)
    assert 0.75 <= found.better_NK.mean() <= 0.85


def test_a_sequential_study_may_have_to_take_a_few_more_seeds() -> None:
    plan = SequentialPlan(Looks(3, 10), family=5, margin=0.5)
    fixed, sequential = (Power(PRIOR, 5, 10, one) for one in (None, plan))
    assert 1 < sequential.smallest().low / fixed.smallest().low < 1.1
    for fewest, most in zip(fixed.seeds_for(0.5), sequential.seeds_for(0.5), strict=True):
        assert fewest is not None
        assert most is not None
        assert fewest <= most <= fewest + 5


def test_so_many_seeds_find_the_wanted_difference_and_one_less_does_not() -> None:
    needed = seeds_for(0.5, PRIOR, family=5)
    assert needed is not None
    assert smallest_difference(PRIOR, family=5, seeds=needed) <= 0.5
    assert smallest_difference(PRIOR, family=5, seeds=needed - 1) > 0.5


def test_no_number_of_seeds_makes_up_for_a_test_set_that_is_too_small() -> None:
    assert seeds_for(0.5, Prior(0.41, 6.0, sentence_sd=0.5), family=5) is None


def test_an_uncertain_deviation_makes_a_range() -> None:
    assert PRIOR.likely() == pytest.approx((0.34, 0.58), abs=0.005)
    low, high = Power(PRIOR, 5, 3).smallest()
    assert low < smallest_difference(PRIOR, family=5, seeds=3) < high
    fewest, most = Power(PRIOR, 5, 3).seeds_for(0.5)
    assert fewest is not None
    assert most is not None
    assert fewest < most
    known = Prior(1.0, float("inf"))
    assert known.likely() == (1.0, 1.0)


def test_a_study_shows_its_deviation_the_worse_the_more_share_a_control() -> None:
    differences = [Difference(0.3, Spread(variance, 0.01, 3, 500)) for variance in (0.1, 0.2, 0.3)] * 2
    own = prior_of(differences, [f"control {number}" for number in range(6)])
    shared = prior_of(differences, ["standard"] * 6)
    assert own is not None
    assert shared is not None
    assert (own.sd, own.degrees, own.sentence_sd, own.sentences) == pytest.approx((0.2**0.5, 12.0, 0.1, 500))
    assert shared.degrees == pytest.approx(12 / (1 + 5 / 4))
    assert prior_of([Difference(0.1, Spread(0.0, 0.01, 1, 500))], ["standard"]) is None
