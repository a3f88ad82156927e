"""A plan shows points of the space as the search would draw them, the refused ones under their own strategy."""

from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.experiment import Experiment
from intelligen.data.prepared import Prepared
from intelligen.sweep.plan import make_plan


def nothing_to_time() -> Prepared:
    raise AssertionError("nothing is timed")


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"choice": ["standard", "generative"]}, ["standard", "generative"] * 2 + ["standard"]),
        ({"choice": {"standard": {}, "generative": {}}}, ["standard", "generative"] * 2 + ["standard"]),
        ({"const": {"name": "generative"}}, ["generative"] * 5),
    ],
    ids=["a list", "options", "a constant"],
)
def test_a_refused_point_stands_under_its_own_strategy(tmp_path: Path, entry: dict, names: list[str]) -> None:
    space = {"finetuning.epochs": {"choice": [-1, 0]}, "strategy": entry}
    settings = sweep(space=space, budget={"trials": 5})
    experiment = Experiment(version=1, name="e")
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=False, prepare=nothing_to_time)
    assert [trial.strategy for trial in plan.trials] == names
    assert all("finetuning.epochs" in (trial.refused or "") for trial in plan.trials)
