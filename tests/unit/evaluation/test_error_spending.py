"""All looks at a study together are wrong as seldom as one would be."""

import numpy as np
import pytest
from scipy import stats

from intelligen.evaluation.error_spending import Looks, nominal_levels

LOOKS = Looks(3, 10)


def test_levels_are_the_published_ones_of_five_looks() -> None:
    """Lan and DeMets 1983, and their program's tables: two-sided 5 %, by two ways to spend it."""
    fractions = np.arange(1, 6) / 5
    like_obrien_fleming = 4 * stats.norm.sf(stats.norm.isf(0.0125) / np.sqrt(fractions))
    like_pocock = 0.05 * np.log(1 + (np.e - 1) * fractions)
    levels = nominal_levels(fractions.tolist(), np.column_stack([like_obrien_fleming, like_pocock]))
    bounds = stats.norm.isf(levels.T / 2)
    assert bounds[0] == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.0006)
    assert bounds[1] == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=0.0006)


def test_levels_of_eight_looks_with_a_hundredth_of_error() -> None:
    """As docs/statistics.md has them."""
    found = [LOOKS.level(seeds)(0.01) for seeds in LOOKS.seeds]
    published = [0.00027, 0.00048, 0.00087, 0.00145, 0.00226, 0.00333, 0.00471, 0.00644]
    assert found == pytest.approx(published, abs=5e-6)


def test_levels_between_the_tabled_errors_are_close_and_grow_with_the_error() -> None:
    for alpha in (0.007, 0.02, 0.00625):
        exact = LOOKS.nominal(np.array([alpha]))[:, 0]
        assert [LOOKS.level(seeds)(alpha) for seeds in LOOKS.seeds] == pytest.approx(exact, rel=2e-3)
    for seeds in LOOKS.seeds:
        found = [LOOKS.level(seeds)(alpha) for alpha in np.geomspace(1e-90, 1, 200)]
        assert (np.diff(found) > 0).all()


def test_random_walks_cross_the_bounds_as_often_as_the_error_says() -> None:
    rng = np.random.default_rng(20261201)
    scores_NS = rng.normal(size=(40_000, 10)).cumsum(axis=1) / np.sqrt(np.arange(1, 11))
    bounds = stats.norm.isf(LOOKS.nominal(np.array([0.05]))[:, 0] / 2)
    crossed = (np.abs(scores_NS[:, 2:]) > bounds).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.003)


def test_a_single_look_spends_the_whole_error() -> None:
    assert Looks(4, 4).level(4)(0.01) == pytest.approx(0.01)
