"""A plan warns of what a sweep can hardly answer or reach, and of nothing else."""

import re
from typing import Any

import pytest
from conftest import REPOSITORY

from intelligen.config.load import load_sweep
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.sweep.preflight.sweep_warnings import luck_warning, sweep_warnings, too_short
from intelligen.training.timing import TimeRange

EXPERIMENT = Experiment(version=1, name="e")
RESOURCES = {"workers": 2, "concurrent_trials": 1}
CHOICES: dict[str, Any] = {"finetuning.label_smoothing": {"uniform": (0.0, 0.2)}}


def found(*strategies: str, space: dict[str, Any] = CHOICES, **settings: Any) -> str:
    sweep = Sweep.model_validate(
        {
            "version": 1,
            "name": "s",
            "experiment": "e.yaml",
            "space": {**space, "strategy": {"choice": list(strategies)}},
            "budget": {"trials_per_strategy": 8},
            "search": {"startup_trials": 2},
            **settings,
        },
        strict=False,
    )
    return "\n".join(sweep_warnings(sweep, EXPERIMENT))


def test_the_sweep_of_all_strategies_and_controls_gives_no_warning():
    assert sweep_warnings(*load_sweep(REPOSITORY / "search_spaces" / "strategies.yaml")) == []


@pytest.mark.parametrize(
    ("strategies", "said"),
    [
        (("generative", "standard_matched"), "no `standard` beside generative"),
        (("standard", "generative"), "no `standard_matched` beside generative"),
        (("standard", "standard_matched", "seqgan"), "no seqgan_constant and seqgan_random beside seqgan"),
    ],
)
def test_a_strategy_without_its_control_is_named(strategies, said):
    assert said in found(*strategies)


def test_a_row_that_does_not_name_its_treatment_is_told_the_names():
    line = "which strategy its target is; in a new sweep write generative_position, generative_risk,"
    assert line in found("standard", "standard_matched", "generative")
    assert found("standard", "standard_matched", "generative_risk") == ""


@pytest.mark.parametrize("path", sorted((REPOSITORY / "search_spaces").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_sweep_has_trials_enough_for_its_early_stops_or_is_a_demonstration(path):
    if path.stem == "pretrained_strategies":  # of a model that is not here, with the trials of qa_friend.yaml
        return
    assert (luck_warning(*load_sweep(path)) is None) != ("# A demonstration" in path.read_text())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": {"trials_per_strategy": 7}}, "with 7 trials of a strategy, some of them stopped early by asha"),
        ({"budget": {"trials": 15}}, "7 trials of a strategy"),
        (
            {"budget": {"trials_per_strategy": 7}, "scheduler": {"name": "median"}},
            "some of them stopped early by median",
        ),
        ({"budget": {"trials_per_strategy": 8}}, ""),
        ({"budget": {"device_hours": 1.0}}, ""),
        ({"budget": {"trials_per_strategy": 3}, "scheduler": {"name": "none"}}, ""),
    ],
)
def test_few_trials_that_are_stopped_early_are_called_luck(settings, said):
    warned = found("standard", "standard_matched", **settings)
    assert (said in warned) if said else (warned == "")


def test_controls_alone_need_no_control():
    assert found("standard", "standard_matched") == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": {"trials": 1}, "search": {"startup_trials": 1}}, "is less than the 2 strategies"),
        (
            {"search": {"startup_trials": 8}},
            "the budget of 8 trials of each strategy, so the model of tpe is never used",
        ),
        (
            {"search": {"startup_trials": 8}, "budget": {"trials": 8}},
            "the budget of 8 trials, so the model of tpe is never used",
        ),
        ({"scheduler": {"name": "asha", "grace_epochs": 10}}, "asha stops no trial"),
        (
            {"scheduler": {"name": "pbt", "interval_epochs": 10}, "search": {"sampler": "random"}},
            "no trial exploits another",
        ),
        ({"resources": {"concurrent_trials": 17}}, "concurrent_trials (17) is above the budget of 16 trials"),
        (
            {"space": {"finetuning.optimizer.name": {"choice": ["adam", "adamw"]}}},
            "the space has 4 points for 16 trials, so 12",
        ),
        (
            {"space": {"finetuning.optimizer.name": {"choice": ["adam", "adamw"]}}, "budget": {"trials": 5}},
            "the space has 4 points for 5 trials, so 1 of them trains what another one has trained; lower the budget",
        ),
    ],
)
def test_what_cannot_be_reached_is_named_with_its_fix(settings, said):
    assert said in found("standard", "standard_matched", **settings)


def test_a_strategy_with_fewer_points_than_trials_is_named_and_no_other():
    own = {"finetuning.label_smoothing": {"choice": [0.0, 0.1]}}
    options = {"standard": own, "standard_matched": {"updates_ratio": {"uniform": [1.0, 2.0]}}, "r_drop": {}}
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "space": {"strategy": {"choice": options}}}
    settings |= {"budget": {"trials_per_strategy": 8}, "scheduler": {"name": "none"}}
    assert sweep_warnings(Sweep.model_validate(settings, strict=False), EXPERIMENT) == [
        f"the space of {strategy} has {points} for 8 trials, so {again} of them train what another one has trained;"
        " lower the budget, or vary another setting of it"
        for strategy, points, again in (("standard", "2 points", 6), ("r_drop", "1 point", 7))
    ]
    grid = settings | {"search": {"sampler": "grid"}, "space": {"strategy": {"choice": {"standard": own}}}}
    assert sweep_warnings(Sweep.model_validate(grid, strict=False), EXPERIMENT) == []


PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    if "\nexperiment: ../experiments/" in block and "\nspace:" in block
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_sweep_file_that_the_documentation_shows_gives_no_warning(example, tmp_path):
    (tmp_path / "sweep.yaml").write_text(example)
    ((named),) = re.findall(r"^experiment: (\S+)", example, re.MULTILINE)
    experiment = REPOSITORY / "experiments" / named.rpartition("/")[2]
    found = load_sweep(tmp_path / "sweep.yaml", [f"experiment={experiment}"])
    assert sweep_warnings(*found) == []


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        ({"wall_hours": 1.0}, []),
        ({"wall_hours": 0.9, "trials": 4}, ["budget.wall_hours is 0.9", "1 or more"]),
        ({"device_hours": 1.9, "trials": 4}, ["budget.device_hours is 1.9", "2 or more"]),
        ({"device_hours_per_strategy": 0.9, "trials_per_strategy": 2}, ["device_hours_per_strategy", "1 or more"]),
    ],
)
def test_hours_are_compared_with_what_the_trials_take(budget, named):
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "budget": budget, "resources": RESOURCES}
    space = {"strategy": {"choice": ["standard", "standard_matched"]}}
    sweep = Sweep.model_validate({**settings, "space": space}, strict=False)
    said = too_short(sweep, TimeRange(900.0, 1800.0))
    assert len(said) == bool(named)
    assert all(part in said[0] for part in named)


def test_a_space_of_ranges_is_never_used_up():
    assert "points" not in found("standard", "standard_matched", budget={"trials": 10_000})
