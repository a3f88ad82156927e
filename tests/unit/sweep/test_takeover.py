"""Who takes over from whom depends on scores, seed, trial and epoch alone, and values stay in the space."""

import random

import pytest
from searches import sweep

from intelligen.config.schedulers import Pbt
from intelligen.sweep.takeover import Member, explored, takeovers

RATE = "finetuning.optimizer.learning_rate"
SETTINGS = Pbt(quantile=0.5)


def member(number: int, score: float, **params: float) -> Member:
    return Member(f"t{number:04d}", score, {RATE: 1e-4 * (number + 1), "strategy": "standard"} | params)


def taken(members: list[Member], *, settings: Pbt = SETTINGS, seed: int = 1, epoch: int = 2) -> dict:
    return takeovers(members, settings=settings, space=sweep().space, seed=seed, epoch=epoch)


def test_the_worst_go_on_from_the_best_and_all_others_from_themselves():
    members = [member(number, float(number % 5)) for number in range(10)]  # the best: 4 and 9, the worst: 0 and 5
    found = taken(members, settings=Pbt(quantile=0.2))
    assert found.keys() == {"t0000", "t0005"}
    assert {takeover.donor for takeover in found.values()} <= {"t0004", "t0009"}
    assert {takeover.epoch for takeover in found.values()} == {2}


@pytest.mark.parametrize(("trials", "quantile", "losers"), [(1, 0.5, 0), (2, 0.01, 1), (3, 0.5, 1), (7, 0.3, 2)])
def test_at_least_one_takes_over_and_never_more_than_half(trials, quantile, losers):
    found = taken([member(number, float(number)) for number in range(trials)], settings=Pbt(quantile=quantile))
    assert len(found) == losers


def test_nobody_takes_over_from_an_equal():
    assert taken([member(number, 3.0) for number in range(4)]) == {}


def test_the_order_in_which_trials_came_so_far_changes_nothing_and_seed_and_epoch_do():
    members = [member(number, float(number)) for number in range(8)]
    found = taken(members)
    assert taken(members[::-1]) == found
    assert taken(members, seed=2) != found
    assert taken(members, epoch=4) != found


def test_values_are_perturbed_or_drawn_anew_and_the_strategy_stays():
    params = {RATE: 1e-4, "strategy": "generative", "generative/probability.start": 0.3}
    perturbed, drawn = 0, 0
    for seed in range(300):
        found = explored(params, settings=Pbt(), space=sweep().space, rng=random.Random(seed))
        assert found.keys() == params.keys()
        assert found["strategy"] == "generative"
        assert 1e-5 <= found[RATE] <= 1e-3
        assert 0.1 <= found["generative/probability.start"] <= 0.5
        ratio = round(found[RATE] / params[RATE], 6)
        perturbed += ratio in (0.8, 1.2)
        drawn += ratio not in (0.8, 1.2)
    assert 0.15 < drawn / (drawn + perturbed) < 0.35


def test_a_value_that_would_leave_its_range_stays():
    params = {RATE: 9.9e-4, "strategy": "generative", "generative/probability.start": 0.11}
    settings = Pbt(resample_probability=0.0, perturbation=0.5)
    found = [explored(params, settings=settings, space=sweep().space, rng=random.Random(seed)) for seed in range(50)]
    assert {round(one[RATE], 6) for one in found} == {0.00099, 0.000495}
    assert {round(one["generative/probability.start"], 3) for one in found} == {0.11, 0.165}


def test_of_a_mixture_and_a_schedule_the_numbers_change_that_they_are_built_from():
    space = {
        "strategy": {
            "choice": {
                "intelligen": {
                    "policy": {"choice": {"static": {"weights": {"simplex": ["standard", "recurrent", "generative"]}}}},
                    "generative.probability": {"schedule": {"shape": "linear", "start": [0.5, 1.0], "end": 0.1}},
                }
            }
        }
    }
    parsed = sweep(space=space).space
    params = {
        "strategy": "intelligen",
        "intelligen/policy": "static",
        "intelligen/static/weights.standard": 0.5,
        "intelligen/static/weights.recurrent": 0.5,
        "intelligen/generative.probability.start": 0.75,
    }
    found = explored(params, settings=Pbt(), space=parsed, rng=random.Random(1))
    assert found.keys() == params.keys()
    assert all(0 < value <= 1 for value in found.values() if isinstance(value, float))
