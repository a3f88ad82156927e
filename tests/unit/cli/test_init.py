"""`init` writes files that are valid as they stand and explain themselves, and overwrites nothing."""

import json
import shlex
import textwrap
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from intelligen.cli.main import commands, guarded
from intelligen.config.files.yaml_file import read_document
from intelligen.config.load import load_experiment, load_sweep

FILES = ["experiment.yaml", "schemas/experiment.schema.json", "schemas/sweep.schema.json", "sweep.yaml"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return guarded(lambda: commands.main(list(words), standalone_mode=False))


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_commands_that_it_prints_work_as_they_are_typed(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("init", "my sweeps/first") == 0
    assert written(here / "my sweeps" / "first") == FILES
    lines = capfd.readouterr().out.splitlines()
    check, plan, start = (shlex.split(line)[1:] for line in lines[-3:])
    assert run(*check[1:]) == 0
    assert "sweep is valid, 50 of 50 sampled trials resolve" in capfd.readouterr().out
    assert run(*plan[1:], "--no-calibrate", "--json") == 0
    assert json.loads(capfd.readouterr().out)["warnings"] == []
    assert start == ["intelligen", "run", plan[-1]]


@pytest.mark.parametrize(("directory", "name"), [("first", "first"), (".", "my_study"), ("my study", "starter")])
def test_sweep_and_experiment_have_the_name_of_their_directory_where_it_can_be_one(
    here: Path, directory: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "my_study").mkdir()
    monkeypatch.chdir(here / "my_study")
    assert run("init", directory) == 0
    sweep, experiment = load_sweep(Path(directory, "sweep.yaml"))
    assert (sweep.name, experiment.name) == (name, name)
    assert f"intelligen extend {name} " in Path(directory, "sweep.yaml").read_text(encoding="utf-8")


def test_the_files_are_of_the_schemas_that_they_name(here: Path) -> None:
    assert run("init") == 0
    for kind in ("experiment", "sweep"):
        path = here / f"{kind}.yaml"
        first = path.read_text(encoding="utf-8").splitlines()[0]
        schema = json.loads((here / first.removeprefix("# yaml-language-server: $schema=")).read_text(encoding="utf-8"))
        assert list(Draft202012Validator(schema).iter_errors(read_document(path).data)) == []


def test_what_the_comments_suggest_is_valid(here: Path) -> None:
    assert run("init") == 0
    lines = (here / "experiment.yaml").read_text(encoding="utf-8").splitlines()
    suggested = textwrap.dedent("\n".join(line[1:] for line in lines if line.startswith("#   ")))
    corpus = json.dumps(yaml.safe_load(suggested)["corpus"])
    assert load_experiment(Path("experiment.yaml"), [f"data.corpus={corpus}"]).data.corpus.name == "files"
    assert "-o confirm.seeds=3" in (here / "sweep.yaml").read_text(encoding="utf-8")
    sweep, _ = load_sweep(Path("sweep.yaml"), ["confirm.seeds=3"])
    assert sweep.confirm is not None


@pytest.mark.parametrize("there", FILES)
def test_a_file_that_is_there_already_is_named_and_nothing_is_written(
    here: Path, there: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / there).parent.mkdir(exist_ok=True)
    (here / there).write_text("mine")
    assert run("init") == 73
    assert capfd.readouterr().err.startswith(f"error: {there}: exists already")
    assert (written(here), (here / there).read_text()) == ([there], "mine")


def test_a_directory_that_cannot_be_written_is_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("mine")
    assert run("init", "file") == 73
    output = capfd.readouterr().err
    assert output.startswith("error: file/experiment.yaml: cannot be written")
    assert output.count("\n") == 1
