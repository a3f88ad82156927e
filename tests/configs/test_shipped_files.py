"""Every experiment and sweep file of the project is valid as it stands, and so are the trials that a search draws."""

import json
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_experiment, load_sweep

POINTS = 50


def shipped(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).glob("**/*.yaml"))


@pytest.mark.parametrize("path", [*shipped("experiments"), *shipped("search_spaces")], ids=lambda path: path.name)
def test_a_shipped_file_is_valid_with_fifty_points_of_its_space(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["validate", str(path), "--samples", str(POINTS), "--json"]
    assert guarded(lambda: commands.main(arguments, standalone_mode=False)) == 0
    (found,) = json.loads(capfd.readouterr().out)
    sweep = load_sweep(path)[0] if path.parent.name == "search_spaces" else None
    drawn = POINTS if sweep is not None and sweep.space else 0
    rows = 0 if sweep is None or sweep.space else len(sweep.row_ids())
    assert found["problems"] == []
    assert (found["sampled"], found["resolved"], found["rows"]) == (drawn, drawn, rows)


@pytest.mark.parametrize("path", shipped("search_spaces"), ids=lambda path: path.name)
def test_a_sweep_file_loads_with_its_experiment(path: Path) -> None:
    sweep, experiment = load_sweep(path)
    assert sweep.name
    assert experiment == load_experiment(path.parent / sweep.experiment)
