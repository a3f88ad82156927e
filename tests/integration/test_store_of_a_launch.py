"""MLflow's store is made ready beside Ray's start: where it cannot be, nothing is trained and nothing is closed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sweep import Project

from intelligen.cli.main import commands, guarded
from intelligen.state.launch_file import read_launch
from intelligen.state.ledger import read_ledger
from intelligen.sweep import launch_steps

ARGUMENTS = ["run", "sweep.yaml", "--runs", "runs", "--local"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(launch_steps, "ray_running", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[str]:
    database = tmp_path / "broken.db"
    database.write_text("this is no database\n" * 100)
    yield f"sqlite:///{database}"
    assert database.read_text().startswith("this is no database")


def launch(tracking_uri: str) -> int:
    arguments = [*ARGUMENTS, "--tracking-uri", tracking_uri]
    return guarded(lambda: commands.main(arguments, standalone_mode=False))


def test_a_database_that_is_none_ends_the_launch_before_anything_is_trained(
    project: Project, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(broken) == 69
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: MLflow at {broken}: ")
    _, trials, closing = read_ledger(project.sweep)
    assert (trials, closing) == ({}, None)
    assert not (project.sweep / "table.md").exists()


def test_a_sweep_remembers_the_address_that_worked_where_another_one_fails(project: Project, broken: str) -> None:
    working = f"sqlite:///{project.directory}/mlflow.db"
    # Data that are gone end this launch once its store is there.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch_steps, "settle_matmul", _interrupted)
        assert launch(working) == 130
    assert launch(broken) == 69
    assert read_launch(project.sweep, read_ledger(project.sweep)[0]).tracking_uri == working


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
