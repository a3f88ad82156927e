"""What a search is worth for its price, what mattered in it, and whether everyone got the same."""

from itertools import product
from statistics import fmean, pstdev

import optuna
import pytest

from intelligen.analysis.search_analysis import (
    LEAST_TRIALS,
    SearchEffort,
    budget_differences,
    budget_uses,
    expected_best,
    importance,
    pareto_front,
)
from intelligen.config.schema.budget import Budget
from intelligen.config.schema.missing_controls import missing_controls


def test_the_expected_best_of_two_values_is_worked_out_by_hand():
    curve = expected_best([2.0, 1.0], {"device_s": [30.0, 10.0]})
    assert curve.trials == (1, 2)
    assert curve.expected == pytest.approx((1.5, 1.75))  # of two draws, three in four have the 2
    assert curve.deviation == pytest.approx((0.25**0.5, (3 / 16) ** 0.5))
    assert curve.costs == {"device_s": pytest.approx((20.0, 40.0))}


@pytest.mark.parametrize("best", [max, min])
def test_the_expected_best_is_that_of_all_draws_with_replacement(best):
    values = [31.0, 28.5, 31.0, 12.25]
    curve = expected_best(values, {}, higher_is_better=best is max)
    for trials, expected, deviation in zip(curve.trials, curve.expected, curve.deviation, strict=True):
        found = [best(drawn) for drawn in product(values, repeat=trials)]
        assert (expected, deviation) == pytest.approx((fmean(found), pstdev(found)))


def test_trials_with_a_value_pay_for_those_without():
    assert expected_best([1.0, 2.0], {"tokens": [10, 10, 10]}).costs == {"tokens": pytest.approx((15.0, 30.0))}
    assert expected_best([], {"tokens": [10]}).trials == ()


def test_values_that_are_all_alike_do_not_deviate():
    assert expected_best([0.1] * 3, {}).deviation == pytest.approx((0.0, 0.0, 0.0))


def searched(count: int, *, direction: str = "maximize", objectives: int = 1) -> optuna.Study:
    """The learning rate decides; the warm-up does not; `generative` alone has a probability, which decides too."""
    directions = [direction] + ["minimize"] * (objectives - 1)
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=1))
    sign = 1 if direction == "maximize" else -1
    for _ in range(count):
        trial = study.ask()
        rate, _ = trial.suggest_float("rate", 0, 1), trial.suggest_float("warmup", 0, 1)
        value = -4 * abs(rate - 0.5)
        if trial.suggest_categorical("strategy", ["standard", "generative"]) == "generative":
            value -= 3 * trial.suggest_float("generative/probability", 0, 1)
        study.tell(trial, [sign * value, *[float(trial.number)] * (objectives - 1)])
    return study


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("objectives", [1, 2])
def test_what_decides_is_important(direction, objectives):
    study = searched(80, direction=direction, objectives=objectives)
    found = importance(study)
    assert found is not None
    assert sum(found.values()) == pytest.approx(1)
    assert next(iter(found)) == "rate"
    assert found["warmup"] < found["rate"] / 5


def test_importance_within_a_strategy_is_that_of_its_own_trials():
    own = optuna.create_study(direction="maximize")
    own.add_trials([trial for trial in searched(120).trials if trial.params["strategy"] == "generative"])
    found = importance(own)
    assert found is not None
    assert next(iter(found)) == "generative/probability"
    assert "strategy" not in found


def test_too_few_trials_give_no_importance():
    assert importance(searched(LEAST_TRIALS)) is not None
    assert importance(searched(LEAST_TRIALS - 1)) is None


def test_trials_with_the_same_result_give_no_importance():
    study = searched(0)
    for _ in range(LEAST_TRIALS):
        study.tell(study.ask({"rate": optuna.distributions.FloatDistribution(0, 1)}), 1.0)
    assert importance(study) is None


def test_nothing_betters_the_front_in_both_score_and_cost():
    scores = {"dear": 31.0, "good": 31.0, "cheap": 25.0, "worse": 24.0, "twin": 25.0}
    costs = {"dear": 9.0, "good": 5.0, "cheap": 2.0, "worse": 3.0, "twin": 2.0}
    assert pareto_front(scores, costs) == ["cheap", "twin", "good"]
    assert pareto_front(scores, costs, higher_is_better=False) == ["cheap", "twin", "worse"]


def spent(**amounts: tuple[int, float, int]) -> dict[str, SearchEffort]:
    return {strategy: SearchEffort(*amount) for strategy, amount in amounts.items()}


@pytest.mark.parametrize(
    ("budget", "amounts", "expected"),
    [
        ({"trials_per_strategy": 8}, {"a": (8, 100.0, 5), "b": (8, 300.0, 9)}, []),
        ({"trials_per_strategy": 8}, {"a": (8, 100.0, 5), "b": (7, 100.0, 5)}, ["a had 8 trials, b 7"]),
        ({"trials": 40}, {"a": (20, 1.0, 5), "b": (20, 2.0, 5)}, []),
        ({"trials": 40}, {"a": (31, 1.0, 5), "b": (9, 1.0, 5)}, ["a had 31 trials, b 9"]),
        ({"device_hours_per_strategy": 1.0}, {"a": (3, 3700.0, 5), "b": (9, 3601.0, 5)}, []),
        (
            {"device_hours_per_strategy": 1.0},
            {"a": (9, 3600.0, 5), "b": (9, 4000.0, 5)},
            ["b had 4,000 device-seconds"],
        ),
        ({"target_tokens_per_strategy": 9}, {"a": (1, 1.0, 100), "b": (1, 1.0, 0)}, ["a had 100 target tokens, b 0"]),
        # Trials end this search; the hours are a bound that nobody reached.
        ({"trials_per_strategy": 8, "device_hours_per_strategy": 9.0}, {"a": (8, 1.0, 5), "b": (8, 3.0, 5)}, []),
        (
            {"trials_per_strategy": 8, "device_hours_per_strategy": 1.0},
            {"a": (8, 100.0, 5), "b": (4, 3600.0, 5)},
            ["a had 8 trials, b 4", "b had 3,600 device-seconds, a 100"],
        ),
        ({"trials_per_strategy": 8}, {"a": (8, 100.0, 5)}, []),
        ({"trials_per_strategy": 8}, {}, []),
    ],
)
def test_budgets_that_differ_where_they_were_to_be_equal_are_named(budget, amounts, expected):
    found = budget_differences(spent(**amounts), Budget(**budget))
    assert len(found) == len(expected)
    assert all(part in line for part, line in zip(expected, found, strict=True))


def test_targets_that_differ_are_named_as_what_the_task_counts():
    amounts, budget = spent(a=(1, 1.0, 200), b=(1, 1.0, 100)), Budget(target_tokens_per_strategy=200)
    assert budget_differences(amounts, budget)[0].endswith("a had 200 target tokens, b 100")
    assert budget_differences(amounts, budget, counted="rows")[0].endswith("a had 200 rows, b 100")


def test_a_difference_of_5_percent_is_no_difference():
    most, more = spent(a=(21, 1.0, 1), b=(20, 1.0, 1)), spent(a=(22, 1.0, 1), b=(20, 1.0, 1))
    assert budget_differences(most, Budget(trials=41)) == []
    assert budget_differences(more, Budget(trials=42)) == ["budgets differ by more than 5 %: a had 22 trials, b 20"]


def test_every_kind_of_budget_is_shown_with_whether_it_was_meant():
    found = budget_uses(spent(a=(8, 100.0, 5), b=(8, 150.0, 5)), Budget(trials_per_strategy=8, wall_hours=1.0))
    assert [(one.kind, one.meant, one.fair) for one in found] == [
        ("trials", True, True),
        ("device_s", False, False),
        ("target_tokens", False, True),
    ]
    assert found[1].spent == {"a": 100.0, "b": 150.0}


def test_a_control_alone_misses_none():
    assert missing_controls(("standard_matched", "seqgan_random")) == []
