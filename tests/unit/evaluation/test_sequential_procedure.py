"""A study with a look after every seed is as seldom wrong as one with fixed seeds, and takes fewer of them."""

from collections.abc import Callable

import numpy as np
import pytest

from intelligen.evaluation.decision_procedure import LevelAtLook, Verdict
from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.sequential_procedure import End, Looked, SequentialPlan
from intelligen.evaluation.significance import Difference, Spread
from intelligen.evaluation.simulated_sequences import Findings, Scores, looked_at, simulated_scores

PLAN = SequentialPlan(Looks(3, 10), family=5, margin=0.5)
PATTERNS = {
    "equal": [0.41] * 5,
    "spread": [0.13, 0.25, 0.41, 0.55, 0.75],
    "one very noisy": [0.2] * 4 + [1.0],
}
STUDIES, TOLERATED = 2000, 0.062
"""A true 5 % is above this in one of a hundred such simulations."""


def scores(pattern: str, *, seeds: int = 10, studies: int = STUDIES) -> Scores:
    rng = np.random.default_rng(20261201)
    return simulated_scores(PATTERNS[pattern], seeds=seeds, studies=studies, rng=rng, sentence_sd=0.06)


def false_claims(
    pattern: str, plan: SequentialPlan = PLAN, level_at: Callable[[int], LevelAtLook] | None = None
) -> float:
    found = looked_at(scores(pattern, seeds=plan.looks.at_most), plan, level_at=level_at)
    return float((found.better_NK | found.worse_NK).any(axis=1).mean())


@pytest.mark.parametrize("pattern", ["equal", "one very noisy"])
def test_any_claim_of_copies_is_seldom_made_at_any_look(pattern: str) -> None:
    assert false_claims(pattern) <= TOLERATED


def test_nor_with_few_looks() -> None:
    assert false_claims("spread", SequentialPlan(Looks(3, 6), family=5, margin=0.5)) <= TOLERATED


def test_looks_without_a_correction_would_make_one_far_too_often() -> None:
    assert false_claims("equal", level_at=lambda _: lambda alpha: alpha) > 1.5 * TOLERATED


def test_differences_of_the_margin_are_seldom_called_equivalent() -> None:
    found = looked_at(scores("equal").plus(PLAN.margin), PLAN)
    assert (found.equivalent_NK | found.worse_NK).any(axis=1).mean() <= TOLERATED


def test_large_differences_are_found_and_take_fewer_seeds() -> None:
    found = looked_at(scores("equal").plus(np.array([0.0, 0.3, 0.5, 1.0, -1.0])), PLAN)
    assert found.better_NK[:, 3].mean() > 0.98
    assert found.worse_NK[:, 4].mean() > 0.98
    assert 0.6 < found.better_NK[:, 2].mean() < 0.7
    assert 0.4 < found.equivalent_NK[:, 0].mean() < 0.5
    assert found.seeds_NK[:, 3].mean() < 6 < found.seeds_NK[:, 0].mean() < 8


def real_looks(differences_KS: np.ndarray, common_K: np.ndarray, sentences: int) -> list[tuple[Looked, int]]:
    """The same study as a real one is looked at: each comparison as it ended, and with how many seeds."""
    ended: dict[int, tuple[Looked, int]] = {}
    current: dict[int, Difference] = {}
    for seeds in PLAN.looks.seeds:
        for number in range(len(differences_KS)):
            if number not in ended:
                first = differences_KS[number, :seeds]
                spread = Spread(float(first.var(ddof=1)), float(common_K[number]), seeds, sentences)
                current[number] = Difference(float(first.mean()), spread)
        for number, looked in enumerate(PLAN.look([*current.values()], seeds=seeds)):
            if number not in ended and looked.end is not None:
                ended[number] = looked, seeds
    return [ended[number] for number in sorted(ended)]


def test_simulated_studies_are_looked_at_as_real_ones() -> None:
    measured = scores("spread", studies=25).plus(np.array([0.0, 0.3, 0.5, 1.0, -1.0]))
    found: Findings = looked_at(measured, PLAN)
    ends = set()
    for study in range(25):
        real = real_looks(measured.differences_NKS[study], measured.common_NK[study], measured.sentences)
        assert [seeds for _, seeds in real] == found.seeds_NK[study].tolist()
        for verdict, flags in (
            (Verdict.BETTER, found.better_NK),
            (Verdict.WORSE, found.worse_NK),
            (Verdict.EQUIVALENT, found.equivalent_NK),
        ):
            assert [looked.comparison.verdict is verdict for looked, _ in real] == flags[study].tolist()
        ends |= {looked.end for looked, _ in real}
    assert ends == set(End)


def test_p_of_a_look_is_below_5_percent_exactly_where_it_claims_a_difference() -> None:
    deltas = np.linspace(0.3, 3.0, 40)
    differences = [Difference(float(delta), Spread(0.16, 0.0, 5, 1000)) for delta in deltas]
    found = [PLAN.look([one], seeds=5)[0].comparison for one in differences]
    claims = [one.verdict is Verdict.BETTER for one in found]
    assert [one.p_value < 0.05 for one in found] == claims
    assert [one.low > 0 for one in found] == claims
    assert 0 < sum(claims) < len(claims)


def test_what_cannot_be_decided_any_more_ends_and_the_last_look_ends_all() -> None:
    hopeless = Difference(0.3, Spread(0.16, 0.0, 9, 1000))
    (found,) = PLAN.look([hopeless], seeds=9)
    assert (found.comparison.verdict, found.end) == (Verdict.OPEN, End.FUTILE)
    hopeful = Difference(0.42, Spread(0.16, 0.0, 9, 1000))
    assert PLAN.look([hopeful], seeds=9)[0].end is None
    last = Difference(0.42, Spread(0.16, 0.0, 10, 1000))
    assert PLAN.look([last], seeds=10)[0].end is End.LAST
    assert PLAN.look([], seeds=3) == []
