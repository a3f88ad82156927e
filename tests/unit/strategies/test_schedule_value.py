"""Schedules follow their formulas, reach both ends, and do not overflow."""

import math

import pytest

from intelligen.config.schema.probability_schedule import SHAPES, ProbabilitySchedule
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.schedule_value import probability_at

UPDATES = 101


def at(schedule: ProbabilitySchedule, update: int, *, total_updates: int = UPDATES) -> float:
    return probability_at(schedule, UpdateContext(seed=1, update=update, total_updates=total_updates))


def schedule(shape: str, *, start: float = 0.9, end: float = 0.1) -> ProbabilitySchedule:
    k = {"exponential": 0.95, "inverse_sigmoid": 8.0}.get(shape)
    return ProbabilitySchedule(shape=shape, start=start, end=start if shape == "constant" else end, k=k)


def test_a_constant_schedule_stays() -> None:
    assert [at(ProbabilitySchedule(start=0.3), update) for update in (1, 50, UPDATES)] == [0.3] * 3


@pytest.mark.parametrize("shape", SHAPES)
def test_without_an_end_nothing_moves(shape: str) -> None:
    still = schedule(shape).model_copy(update={"end": None})
    assert [at(still, update) for update in (1, 50, UPDATES)] == pytest.approx([0.9] * 3, abs=1e-15)


@pytest.mark.parametrize(("shape", "quarter"), [("linear", 0.75), ("cosine", 0.5 + math.sqrt(0.125))])
def test_linear_and_cosine_reach_both_ends_and_pass_the_middle(shape: str, quarter: float) -> None:
    expected = {1: 0.9, 26: 0.1 + 0.8 * quarter, 51: 0.5, 101: 0.1}
    assert {update: at(schedule(shape), update) for update in expected} == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("i", [0, 1, 2, 17, 100])
def test_exponential_is_k_to_the_i(i: int) -> None:
    assert at(schedule("exponential"), i + 1) == pytest.approx(0.1 + 0.8 * 0.95**i, rel=1e-15)


@pytest.mark.parametrize("k", [1.0, 8.0, 300.0])
@pytest.mark.parametrize("i", [0, 1, 17, 100, 600])
def test_inverse_sigmoid_is_the_formula_where_that_can_be_computed(i: int, k: float) -> None:
    moving = ProbabilitySchedule(shape="inverse_sigmoid", start=1.0, end=0.0, k=k)
    assert at(moving, i + 1, total_updates=1000) == pytest.approx(k / (k + math.exp(i / k)), rel=1e-13)


def test_inverse_sigmoid_is_half_way_at_k_ln_k() -> None:
    # k·ln k = 1000 for k = 190.65…
    k = next(k / 1000 for k in range(190_000, 192_000) if k / 1000 * math.log(k / 1000) >= 1000)
    moving = ProbabilitySchedule(shape="inverse_sigmoid", start=0.8, end=0.2, k=k)
    assert at(moving, 1001, total_updates=2000) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("shape", "k"), [("inverse_sigmoid", 1.0), ("exponential", 0.5), ("exponential", 1e-300)])
def test_a_million_updates_do_not_overflow(shape: str, k: float) -> None:
    moving = ProbabilitySchedule(shape=shape, start=1.0, end=0.25, k=k)
    assert at(moving, 1_000_001, total_updates=1_000_001) == 0.25


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (0.0, 1.0), (0.9, 0.1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_schedule_moves_one_way_between_its_ends(shape: str, start: float, end: float) -> None:
    values = [at(schedule(shape, start=start, end=end), update) for update in range(1, UPDATES + 1)]
    assert min(start, end) <= min(values) <= max(values) <= max(start, end)
    assert values == sorted(values, reverse=start > end)


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine", "exponential"])
def test_a_run_of_one_update_takes_the_start(shape: str) -> None:
    assert at(schedule(shape), 1, total_updates=1) == pytest.approx(0.9, rel=1e-15)
