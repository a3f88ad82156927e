"""A directory that cannot hold runs is refused by every verb that would use it, before anything is made there."""

from pathlib import Path

import pytest

import intelligen
from intelligen.addresses import runs_directory
from intelligen.cli.main import commands, guarded
from intelligen.errors import UnavailableError

SWEEP_FILE = Path(intelligen.__file__).parents[1] / "search_spaces" / "quickstart.yaml"
CALLS = [("validate", SWEEP_FILE), ("plan", SWEEP_FILE), ("doctor",), ("run", SWEEP_FILE), ("resume", "quickstart")]


def call(*arguments: object) -> int:
    return guarded(lambda: commands.main([str(one) for one in arguments], standalone_mode=False))


@pytest.mark.parametrize("verb", CALLS, ids=lambda verb: verb[0])
@pytest.mark.parametrize("directory", ["s3://bucket/team", "gs://bucket", "file:///tmp/runs", "hdfs://host:9000/runs"])
def test_an_address_is_refused_where_a_directory_is_asked_for(
    verb: tuple, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*verb, "--runs", directory) == 69
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: --runs {directory}: {directory.partition(':')[0]}:// is no directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", CALLS, ids=lambda verb: verb[0])
def test_the_default_inside_a_jobs_folder_is_refused_and_a_directory_elsewhere_is_not(
    verb: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "session" / "runtime_resources" / "working_dir_files" / "_ray_pkg_0123456789abcdef"
    package.mkdir(parents=True)
    monkeypatch.chdir(package)
    monkeypatch.delenv("INTELLIGEN_RUNS", raising=False)
    assert call(*verb) == 69
    (line,) = capfd.readouterr().err.splitlines()
    assert "--runs runs:" in line
    assert "goes with it; give --runs a directory that every node sees" in line
    assert list(package.iterdir()) == []
    assert runs_directory(tmp_path / "runs") == tmp_path / "runs"


def test_python_and_the_environment_are_refused_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match="s3:// is no directory"):
        intelligen.resume("quickstart", runs="s3://bucket/team")
    with pytest.raises(UnavailableError, match="s3:// is no directory"):
        runs_directory(Path("s3://bucket/team"))
    monkeypatch.setenv("INTELLIGEN_RUNS", "s3://bucket/team")
    assert call("validate", SWEEP_FILE) == 69
