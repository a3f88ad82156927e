"""Every experiment and sweep file of the project loads as it stands."""

from pathlib import Path

import pytest

from intelligen.config.loading import load_experiment, load_sweep

ROOT = Path(__file__).resolve().parents[2]


def shipped(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("**/*.yaml"))


@pytest.mark.parametrize("path", shipped("experiments"), ids=lambda path: path.name)
def test_an_experiment_file_loads(path: Path) -> None:
    assert load_experiment(path).name


@pytest.mark.parametrize("path", shipped("search_spaces"), ids=lambda path: path.name)
def test_a_sweep_file_loads_with_its_experiment(path: Path) -> None:
    sweep, experiment = load_sweep(path)
    assert sweep.name
    assert experiment == load_experiment(path.parent / sweep.experiment)
