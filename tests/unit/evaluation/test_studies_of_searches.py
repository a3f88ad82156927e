"""Over three searches or more any claim about strategies is seldom wrong; of one search it would be far too often."""

import numpy as np
import pytest

from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.sequential_procedure import SequentialPlan
from intelligen.evaluation.significance import ALPHA
from intelligen.evaluation.simulated_sequences import looked_at, simulated_scores
from intelligen.evaluation.simulated_studies import simulated
from intelligen.evaluation.study_power import Prior, smallest_difference

FAMILY, STUDIES, TOLERATED = 5, 2000, 0.062
"""A true 5 % is above this in one of a hundred such simulations."""
RUN, CONFIGURATION, SEEDS = 0.29, 0.5, 2
"""Standard deviations of an arm between seeds and between what searches find, as assumed of Multi30k; seeds of each."""
BETWEEN_SEEDS, BETWEEN_CONFIGURATIONS = 2**0.5 * RUN, 2**0.5 * CONFIGURATION
BETWEEN_SEARCHES = (BETWEEN_CONFIGURATIONS**2 + BETWEEN_SEEDS**2 / SEEDS) ** 0.5
UNEQUAL = [(2 * one**2 + BETWEEN_SEEDS**2 / SEEDS) ** 0.5 for one in (0.1, 0.3, 0.5, 0.7, 0.9)]


@pytest.mark.parametrize("searches", [3, 5, 8])
@pytest.mark.parametrize("deviations", [[BETWEEN_SEARCHES] * FAMILY, UNEQUAL], ids=["equal", "unequal"])
def test_any_claim_of_copies_is_seldom_made_over_searches(deviations: list[float], searches: int) -> None:
    rng = np.random.default_rng(20261203)
    found = simulated(deviations, seeds=searches, studies=STUDIES, rng=rng)
    assert found.different(0.0, level=ALPHA / FAMILY).any(axis=1).mean() <= TOLERATED


def test_nor_in_rounds_with_a_look_after_each_search() -> None:
    plan, rng = SequentialPlan(Looks(3, 8), FAMILY, margin=0.5), np.random.default_rng(20261207)
    found = looked_at(simulated_scores(UNEQUAL, seeds=8, studies=STUDIES, rng=rng), plan)
    assert (found.better_NK | found.worse_NK).any(axis=1).mean() <= TOLERATED


def test_the_smallest_difference_of_the_plan_is_found_in_four_of_five_studies() -> None:
    rng = np.random.default_rng(20261203)
    found = simulated([BETWEEN_SEARCHES] * FAMILY, seeds=8, studies=STUDIES, rng=rng)
    smallest = smallest_difference(Prior(BETWEEN_SEARCHES, 6.0), family=FAMILY, seeds=8)
    assert 0.75 <= found.better(smallest, level=ALPHA / FAMILY).mean() <= 0.85


@pytest.mark.parametrize("seeds", [3, 10])
def test_one_search_called_a_strategy_would_be_wrong_far_too_often(seeds: int) -> None:
    """Its seeds tell how much runs of one configuration differ, and not how much another search would find."""
    rng = np.random.default_rng(20261202)
    found = simulated([BETWEEN_SEEDS] * FAMILY, seeds=seeds, studies=STUDIES, rng=rng)
    configured = BETWEEN_CONFIGURATIONS * rng.normal(size=(STUDIES, FAMILY))
    assert found.different(configured, level=ALPHA / FAMILY).any(axis=1).mean() > 10 * ALPHA
