"""Every experiment and sweep file of the project is valid as it stands, and so are the trials that a search draws."""

import json
from pathlib import Path

import pytest
from conftest import REPOSITORY
from shipped_copy import copy_shipped

from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_experiment, load_sweep

POINTS = 50


def shipped(folder: str) -> list[str]:
    return sorted(f"{folder}/{path.name}" for path in (REPOSITORY / folder).glob("*.yaml"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files, and the pre-trained model that some of them name."""
    return copy_shipped(tmp_path_factory.mktemp("shipped"))


@pytest.mark.parametrize("name", [*shipped("experiments"), *shipped("search_spaces")], ids=lambda name: Path(name).name)
def test_a_shipped_file_is_valid_with_fifty_points_of_its_space(
    name: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = place / name
    arguments = ["validate", str(path), "--samples", str(POINTS), "--json"]
    assert guarded(lambda: commands.main(arguments, standalone_mode=False)) == 0
    (found,) = json.loads(capfd.readouterr().out)["files"]
    sweep = load_sweep(path)[0] if path.parent.name == "search_spaces" else None
    drawn = POINTS if sweep is not None and sweep.space else 0
    rows = 0 if sweep is None or sweep.space else len(sweep.row_ids())
    assert found["problems"] == []
    assert (found["sampled"], found["resolved"], found["rows"]) == (drawn, drawn, rows)


@pytest.mark.parametrize("name", shipped("search_spaces"), ids=lambda name: Path(name).name)
def test_a_sweep_file_loads_with_its_experiment(name: str, place: Path) -> None:
    path = place / name
    sweep, experiment = load_sweep(path)
    assert sweep.name
    assert experiment == load_experiment(path.parent / sweep.experiment)
