"""A grid runs every point of its space once, strategies in round robin, whatever kills it."""

from searches import GRID, Search, sweep

from intelligen.config.schema.space_parameters import grid_size
from intelligen.sweep.search.grid import grid_points

LEARNING_RATE = "finetuning.optimizer.learning_rate"


def test_points_cross_a_parameter_only_with_the_option_that_has_it():
    space = sweep(space=GRID).space
    points = list(grid_points(space))
    assert points == [
        {LEARNING_RATE: rate, "strategy": strategy, **candidates}
        for rate in (1e-4, 1e-3)
        for strategy, candidates in [
            ("standard", {}),
            *(("generative", {"generative/candidates": number}) for number in (2, 3, 4)),
        ]
    ]
    assert grid_size(space) == len(points) == 8


def test_the_rows_of_a_zip_are_points():
    zipped = {"zip": {LEARNING_RATE: [1e-3, 1e-4, 1e-5], "finetuning.epochs": [1, 2, 3]}}
    entries = {"pairs": zipped, "finetuning.patience": {"choice": [1, 2]}}
    space = sweep(space=entries, budget={"trials": 6}).space
    points = list(grid_points(space))
    assert [(point["pairs"], point["finetuning.patience"]) for point in points] == [
        (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2),
    ]  # fmt: skip
    assert grid_size(space) == 6


def test_nested_options_schedules_and_constants_are_counted_as_they_are_walked():
    space = sweep(
        space={
            "finetuning.epochs": {"log_int": [2, 3]},
            "decoding.test": {"const": {"name": "greedy"}},
            "strategy": {
                "choice": {
                    "standard": {},
                    "intelligen": {
                        "policy": {"choice": {"gap": {"gain": {"choice": [0.5, 1.0]}}, "bandit": {}}},
                        "generative.probability": {
                            "schedule": {"shape": ["linear", "cosine"], "start": 0.5, "end": 0.0}
                        },
                    },
                }
            },
        }
    ).space
    points = list(grid_points(space))
    assert len(points) == grid_size(space) == 2 * (1 + 3 * 2)
    assert len({tuple(sorted(point.items(), key=str)) for point in points}) == len(points)


def test_a_grid_needs_no_budget_and_runs_every_point_once_although_it_is_killed(tmp_path):
    settings = sweep(space=GRID, search={"sampler": "grid"}, budget={})
    assert settings.total_trials() == 8
    started = []
    for _ in range(20):
        launch = Search(tmp_path, settings)
        launch.run_one()
        started += launch.started
    points = [tuple(sorted(s.params.items())) for s in started]
    assert sorted(points) == sorted(tuple(sorted(point.items())) for point in grid_points(settings.space))
    assert Search(tmp_path, settings).searcher.is_over()
    # In turn, until the smaller grid is through.
    assert [s.params["strategy"] for s in started] == ["standard", "generative"] * 2 + ["generative"] * 4


def test_a_budget_cuts_a_grid_short_fairly(tmp_path):
    settings = sweep(space=GRID, search={"sampler": "grid"}, budget={"trials_per_strategy": 3})
    assert settings.total_trials() == 2 + 3
    started = Search(tmp_path, settings).run_all()
    assert [s.params["strategy"] for s in started].count("generative") == 3


def test_a_grid_without_strategies_runs_in_the_space_s_order(tmp_path):
    space = {"finetuning.epochs": {"int": [1, 3]}, "finetuning.label_smoothing": {"choice": [0.0, 0.1]}}
    started = Search(tmp_path, sweep(space=space, search={"sampler": "grid"}, budget={})).run_all()
    assert [tuple(s.params.values()) for s in started] == [(e, r) for e in (1, 2, 3) for r in (0.0, 0.1)]
