"""What a search space draws: uniform mixtures, whole schedules, and no parameter of an option that is not chosen."""

import functools
import itertools
import math
from typing import Any

import numpy as np
import optuna
import pytest

from intelligen.config.load import apply_settings
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import Standard
from intelligen.config.schema.strategy_mixture import Gap, Intelligen, Static, Weights
from intelligen.config.schema.sweep import Sweep
from intelligen.sweep.search.define_by_run import random_points, simplex_point, suggest

DRAWS = 2000
PARTS = ("standard", "auxiliary", "recurrent", "generative", "seqgan")
SCHEDULE = {
    "shape": ["constant", "linear", "exponential"],
    "start": [0.2, 0.6],
    "end": [0.0, 0.1],
    "k": [0.9, 0.99],
}
NESTED = {
    "finetuning.label_smoothing": {"uniform": [0.0, 0.2]},
    "strategy": {
        "choice": {
            "standard": {"finetuning.epochs": {"int": [1, 3]}},
            "generative": {"probability": {"schedule": SCHEDULE}, "target": {"choice": ["risk", "gold_position"]}},
            "intelligen": {
                "generative.probability": {"schedule": {"shape": "linear", "start": [0.1, 0.5], "end": 0}},
                "policy": {
                    "choice": {
                        "static": {"weights": {"simplex": ["standard", "recurrent", "generative"]}},
                        "gap": {"weights": {"simplex": ["recurrent", "seqgan"]}, "gain": {"uniform": [0.5, 2.0]}},
                        "curriculum": {"stages.1.weights": {"simplex": ["standard", "auxiliary"]}},
                    }
                },
            },
        }
    },
}


def space(entries: dict[str, Any]) -> dict[str, Any]:
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "space": entries, "budget": {"trials": 1}}
    return Sweep.model_validate(settings, strict=False).space


def study(seed: int = 1) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))


@functools.cache
def mixtures(parts: tuple[str, ...]) -> np.ndarray:
    """[DRAWS, parts] weights, as a random search draws them."""
    entries, searched = space({"strategy.policy.weights": {"simplex": list(parts)}}), study()
    drawn = [suggest(searched.ask(), entries)["strategy.policy.weights"] for _ in range(DRAWS)]
    return np.array([[weights[part] for part in parts] for weights in drawn])


def kolmogorov_smirnov(sample: np.ndarray, cdf: np.ndarray) -> float:
    """√n · sup |F_n − F|, where `cdf` is F at the sorted sample; above 1.95 once in a thousand times by chance."""
    steps = np.arange(len(sample) + 1) / len(sample)
    return math.sqrt(len(sample)) * float(max(np.abs(cdf - steps[1:]).max(), np.abs(cdf - steps[:-1]).max()))


def linear_cdf(coefficients: np.ndarray, at: np.ndarray) -> np.ndarray:
    """P(Σ c_i·w_i ≤ t) for w uniform over the simplex, all c distinct (Curry & Schoenberg 1966: a B-spline)."""
    others = [np.prod(c - np.delete(coefficients, i)) for i, c in enumerate(coefficients)]
    degree = len(coefficients) - 1
    above = [np.clip(c - at, 0, None) ** degree / other for c, other in zip(coefficients, others, strict=True)]
    return 1 - np.sum(above, axis=0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_mixtures_are_uniform_over_the_simplex(count: int) -> None:
    drawn = mixtures(PARTS[:count])
    for weights in np.sort(drawn, axis=0).T:  # each part alone is Beta(1, K − 1), wherever it stands in the list
        assert kolmogorov_smirnov(weights, 1 - (1 - weights) ** (count - 1)) < 1.95
    coefficients = np.array([0.0, 1.0, -0.7, 2.5, 1.6])[:count]
    for order in itertools.islice(itertools.permutations(range(count)), 0, None, max(1, math.factorial(count) // 6)):
        sums = np.sort(drawn @ coefficients[list(order)])
        assert kolmogorov_smirnov(sums, linear_cdf(coefficients, sums)) < 1.95


def test_the_parts_of_a_mixture_are_drawn_alike() -> None:
    drawn = np.sort(mixtures(PARTS), axis=0)
    grid = np.linspace(0, 1, 200)
    distributions = [np.searchsorted(weights, grid) / len(weights) for weights in drawn.T]
    for one, other in itertools.combinations(distributions, 2):
        assert np.abs(one - other).max() < 1.95 * math.sqrt(2 / DRAWS)


@pytest.mark.parametrize("count", range(2, 9))
def test_the_weights_of_a_mixture_sum_to_1(count: int) -> None:
    corners = list(itertools.product([0.0, 0.5, 1.0], repeat=count - 1))
    close = list(itertools.product([5e-324, 1 - 2**-53], repeat=count - 1))
    inside = np.random.default_rng(1).random((500, count - 1)).tolist()
    for uniforms in [*corners, *close, *inside]:
        weights = simplex_point(uniforms)
        assert len(weights) == count
        assert abs(math.fsum(weights) - 1) <= 1e-12
        assert all(0 <= weight <= 1 for weight in weights)


def test_the_corners_of_the_parameters_are_vertices() -> None:
    assert simplex_point([0.0, 0.0, 0.0]) == [0.0, 0.0, 0.0, 1.0]
    assert simplex_point([0.0, 1.0, 0.5]) == [0.0, 1.0, 0.0, 0.0]
    assert simplex_point([1.0, 0.3, 0.9]) == [1.0, 0.0, 0.0, 0.0]
    assert simplex_point([0.25]) == [0.25, 0.75]


def test_a_mixture_has_one_parameter_less_than_parts() -> None:
    trial = study().ask()
    changes = suggest(trial, space({"strategy.policy.weights": {"simplex": ["seqgan", "standard", "generative"]}}))
    assert list(trial.params) == ["strategy.policy.weights.seqgan", "strategy.policy.weights.standard"]
    assert list(changes["strategy.policy.weights"]) == ["seqgan", "standard", "generative"]


def expected_parameters(changes: dict[str, Any]) -> set[str]:
    """The parameters that belong to the options which a trial of `NESTED` chose."""
    options = {"finetuning.label_smoothing", "strategy"}
    match changes["strategy.name"]:
        case "standard":
            return options | {"standard/finetuning.epochs"}
        case "generative":
            options |= {"generative/target", "generative/probability.shape", "generative/probability.start"}
            shape = changes["strategy.probability"]["shape"]
            options |= {"generative/probability.end"} if shape != "constant" else set()
            return options | ({"generative/probability.k"} if shape == "exponential" else set())
    options |= {"intelligen/policy", "intelligen/generative.probability.start"}
    match changes["strategy.policy.name"]:
        case "static":
            return options | {"intelligen/static/weights.standard", "intelligen/static/weights.recurrent"}
        case "gap":
            return options | {"intelligen/gap/weights.recurrent", "intelligen/gap/gain"}
    return options | {"intelligen/curriculum/stages.1.weights.standard"}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_is_not_chosen_is_never_sampled(sampler: str) -> None:
    entries, searched = space(NESTED), study()
    if sampler == "tpe":
        searched.sampler = optuna.samplers.TPESampler(seed=1, n_startup_trials=10, multivariate=True, group=True)
    seen = set()
    for _ in range(60):
        trial = searched.ask()
        changes = suggest(trial, entries)
        assert set(trial.params) == expected_parameters(changes)
        seen.add((changes["strategy.name"], changes.get("strategy.policy.name")))
        searched.tell(trial, sum(isinstance(value, float) for value in trial.params.values()))
    assert {name for name, _ in seen} == {"standard", "generative", "intelligen"}
    assert {policy for _, policy in seen} == {None, "static", "gap", "curriculum"}


def test_every_suggestion_is_a_complete_experiment() -> None:
    entries, searched = space(NESTED), study()
    base = Experiment(version=1, name="e", strategy=Intelligen(policy=Gap(gain=9.0)))
    for _ in range(60):
        changes = suggest(searched.ask(), entries)
        strategy = apply_settings(base, changes).strategy
        match strategy:
            case Standard():
                continue
            case Generative():
                assert strategy.probability == ProbabilitySchedule(**changes["strategy.probability"])
                continue
        assert isinstance(strategy, Intelligen)
        assert strategy.generative.probability.end == 0.0
        match strategy.policy:
            case Static() | Gap():
                assert strategy.policy.weights == Weights(**changes["strategy.policy.weights"])
            case curriculum:
                assert curriculum.stages[1].weights == Weights(**changes["strategy.policy.stages.1.weights"])


def test_the_same_parameters_are_the_same_settings_again() -> None:
    entries, searched = space(NESTED), study(seed=1)
    drawn = []
    for _ in range(30):
        trial = searched.ask()
        drawn.append((suggest(trial, entries), dict(trial.params)))
    resumed = [suggest(optuna.Trial(searched, trial._trial_id), entries) for trial in searched.trials]
    assert resumed == [changes for changes, _ in drawn]
    other = study(seed=2)
    for changes, params in drawn:
        other.enqueue_trial(params)
        trial = other.ask()
        assert suggest(trial, entries) == changes
        assert trial.params == params


def test_a_schedule_has_the_numbers_of_its_shape() -> None:
    entries, searched = space({"strategy.probability": {"schedule": SCHEDULE}}), study()
    drawn = [suggest(searched.ask(), entries)["strategy.probability"] for _ in range(60)]
    numbers = {"constant": {"start"}, "linear": {"start", "end"}, "exponential": {"start", "end", "k"}}
    assert {schedule["shape"] for schedule in drawn} == set(numbers)
    for schedule in drawn:
        assert set(schedule) == {"shape"} | numbers[schedule["shape"]]
        assert 0.2 <= schedule["start"] <= 0.6
        assert 0.0 <= schedule.get("end", 0.05) <= 0.1
        assert 0.9 <= schedule.get("k", 0.95) <= 0.99


def test_what_a_schedule_fixes_is_no_parameter() -> None:
    trial = study().ask()
    fixed = {"shape": "inverse_sigmoid", "start": 0.5, "end": 0.1, "k": 20.0}
    entries = {"strategy.gold_probability": {"schedule": fixed | {"start": [0.4, 0.6]}}}
    assert suggest(trial, space(entries))["strategy.gold_probability"] == fixed | {
        "start": trial.params["strategy.gold_probability.start"]
    }
    assert len(trial.params) == 1


ZIPPED = {
    "pairs": {"zip": {"finetuning.optimizer.learning_rate": [1e-3, 5e-4, 2e-4], "finetuning.epochs": [1, 2, 3]}},
    "strategy": {
        "choice": {
            "standard": {},
            "generative": {"pairs": {"zip": {"target": ["risk", "gold_position"], "finetuning.batch_tokens": [1, 2]}}},
        }
    },
}


def test_a_zip_draws_one_row_and_writes_all_its_settings() -> None:
    entries, searched = space(ZIPPED), study()
    rows = set()
    for _ in range(60):
        trial = searched.ask()
        changes = suggest(trial, entries)
        row = trial.params["pairs"]
        assert changes["finetuning.optimizer.learning_rate"] == [1e-3, 5e-4, 2e-4][row]
        assert changes["finetuning.epochs"] == row + 1
        rows.add(row)
        if changes["strategy.name"] == "standard":
            assert set(trial.params) == {"pairs", "strategy"}
            assert "strategy.target" not in changes
        else:
            assert set(trial.params) == {"pairs", "strategy", "generative/pairs"}
            inner = trial.params["generative/pairs"]
            assert changes["strategy.target"] == ["risk", "gold_position"][inner]
            assert changes["finetuning.batch_tokens"] == inner + 1
    assert rows == {0, 1, 2}


def test_a_row_can_be_asked_for_by_its_number() -> None:
    searched = study()
    searched.enqueue_trial({"pairs": 2, "strategy": "generative", "generative/pairs": 1})
    changes = suggest(searched.ask(), space(ZIPPED))
    assert (changes["finetuning.epochs"], changes["strategy.target"]) == (3, "gold_position")


def test_points_drawn_at_random_repeat_with_their_seed() -> None:
    entries = space(ZIPPED | {"model.dropout": {"uniform": [0.0, 0.3]}})
    assert random_points(entries, 5, seed=1) == random_points(entries, 5, seed=1)
    assert random_points(entries, 5, seed=1) != random_points(entries, 5, seed=2)
    assert random_points(entries, 0, seed=1) == []
