"""A relative path in a file starts at that file, elsewhere at the working directory; what is kept is absolute."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
from refusals import EXPERIMENT, VARIED, messages_of

from intelligen.config.document import dotted
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.data import FilesCorpus, HubCorpus
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.local_keys import local_keys
from intelligen.config.schema.search import Search
from intelligen.config.schema.split_forms import ParallelText
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError, ConfigError
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows

SPLITS = "{train: {source: a, target: b}, valid: {source: a, target: b}, test: {source: a, target: b}}"
FILES = f"{EXPERIMENT}data: {{corpus: {{name: files, folder: corpus, splits: {SPLITS}}}}}\n"
HUB = f"{EXPERIMENT}data: {{corpus: {{name: hub, dataset: saved}}}}\n"
STORED = VARIED.replace("experiment.yaml", "../experiments/experiment.yaml") + "search: {storage: 'sqlite:///s.db'}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, and in it an experiment and a sweep that name places."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "searches").mkdir()
    (tmp_path / "experiments" / "experiment.yaml").write_text(FILES)
    (tmp_path / "searches" / "sweep.yaml").write_text(STORED)
    return tmp_path


def folder_of(experiment: Experiment) -> str | None:
    assert isinstance(experiment.data.corpus, FilesCorpus)
    return experiment.data.corpus.folder


def dataset_of(experiment: Experiment) -> str:
    assert isinstance(experiment.data.corpus, HubCorpus)
    return experiment.data.corpus.dataset


def refusal_of(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        (load_sweep if "sweep" in path else load_experiment)(Path(path))
    (line,) = messages_of(caught.value)
    return line


def test_every_setting_that_names_a_path_is_known_by_its_type() -> None:
    corpus = {"name": "files", "folder": "x", "hub": {"name": "hub", "dataset": "x"}}
    experiment = local_keys(Experiment, {"data": {"corpus": corpus}})
    assert {dotted(key) for key in experiment} == {"data.corpus.folder", "data.corpus.hub.dataset"}
    search = {"storage": "x", "warm_start": {"csv": "x"}}
    sweep = local_keys(Sweep, {"experiment": "x", "search": search, "question": "x"})
    assert {dotted(key) for key in sweep} == {"experiment", "search.storage", "search.warm_start.csv"}


def test_a_path_whose_option_is_named_elsewhere_is_found_too() -> None:
    assert {dotted(key) for key in local_keys(Experiment, {"data": {"corpus": {"folder": "x"}}})} == {
        "data.corpus.folder"
    }


@pytest.mark.parametrize("start", [".", "experiments", ".."])
def test_paths_of_files_start_at_their_file_whatever_the_working_directory_is(project: Path, start: str) -> None:
    with contextlib.chdir(start):
        sweep, experiment = load_sweep(Path(os.path.relpath(project / "searches" / "sweep.yaml")))
    assert folder_of(experiment) == str(project / "experiments" / "corpus")
    assert sweep.experiment == str(project / "experiments" / "experiment.yaml")
    assert sweep.search.storage == f"sqlite:///{project}/searches/s.db"


def test_paths_of_overrides_start_at_the_working_directory(project: Path) -> None:
    overrides = ["experiment.data.corpus.folder=mine", "search.storage=sqlite:///mine.db?timeout=5"]
    sweep, experiment = load_sweep(Path("searches/sweep.yaml"), overrides)
    assert folder_of(experiment) == str(project / "mine")
    assert sweep.search.storage == f"sqlite:///{project}/mine.db?timeout=5"


def test_paths_of_python_start_at_the_working_directory(project: Path) -> None:
    pair = ParallelText(source="a", target="b")
    splits = {"train": pair, "valid": pair, "test": pair}
    assert FilesCorpus(folder="../corpus", splits=splits).folder == str(project.parent / "corpus")
    assert Search(storage="sqlite:///s.db").storage == f"sqlite:///{project}/s.db"


def test_a_path_in_a_fragment_starts_at_the_fragment(project: Path) -> None:
    (project / "fragments").mkdir()
    (project / "fragments" / "data.yaml").write_text("data: {corpus: {folder: data}}\n")
    text = f"{EXPERIMENT}include: [../fragments/data.yaml]\ndata: {{corpus: {{name: files, splits: {SPLITS}}}}}\n"
    (project / "experiments" / "experiment.yaml").write_text(text)
    assert folder_of(load_experiment(Path("experiments/experiment.yaml"))) == str(project / "fragments" / "data")


def test_a_data_set_is_a_folder_where_there_is_one_beside_the_file(project: Path) -> None:
    file = project / "experiments" / "hub.yaml"
    file.write_text(HUB)
    assert dataset_of(load_experiment(file)) == "saved"
    (project / "experiments" / "saved").mkdir()
    assert dataset_of(load_experiment(file)) == str(project / "experiments" / "saved")
    for written, place in (("../not/there", "not/there"), ("./nowhere", "experiments/nowhere")):
        file.write_text(HUB.replace("saved", written))
        for named in (file, file.relative_to(project)):
            assert dataset_of(load_experiment(named)) == str(project / place)


def test_addresses_of_servers_are_no_paths(project: Path) -> None:
    address = "postgresql://host/studies"
    assert load_sweep(Path("searches/sweep.yaml"), [f"search.storage={address}"])[0].search.storage == address
    assert HubCorpus(dataset="https://host/data").dataset == "https://host/data"


@pytest.mark.parametrize(
    ("contents", "key"),
    [
        (FILES.replace("folder: corpus", 'folder: ""'), "data.corpus.folder"),
        (HUB.replace("saved", '""'), "data.corpus.dataset"),
        (STORED.replace("../experiments/experiment.yaml", '""'), "experiment"),
    ],
)
def test_empty_text_is_no_path(project: Path, contents: str, key: str) -> None:
    (project / "odd.yaml").write_text(contents)
    with pytest.raises(ConfigError, match=f": {key}: must not be empty$"):
        (load_sweep if key == "experiment" else load_experiment)(project / "odd.yaml")


@pytest.fixture
def at_the_former_place(project: Path) -> Path:
    """What the first release found from the working directory."""
    for folder in ("corpus", "saved"):
        (project / folder).mkdir()
    (project / "s.db").touch()
    return project


@pytest.mark.parametrize(
    ("path", "text", "key"),
    [
        ("experiments/experiment.yaml", FILES, "data.corpus.folder"),
        ("experiments/experiment.yaml", HUB, "data.corpus.dataset"),
        ("searches/sweep.yaml", STORED, "search.storage"),
    ],
)
def test_a_path_that_only_the_former_rule_finds_is_refused_with_the_path_to_write(
    at_the_former_place: Path, path: str, text: str, key: str
) -> None:
    name = key.rpartition(".")[2]
    Path("experiments/experiment.yaml").write_text(EXPERIMENT)
    Path(path).write_text(text)
    line = text[: text.index(name)].count("\n") + 1
    found = re.fullmatch(
        rf'{path}:{line}: {key}: "(.+)" exists in the working directory.*; write "(.+)"', refusal_of(path)
    )
    assert found
    meant, written = found.groups()
    Path(path).write_text(re.sub(rf"({name}: '?){meant}", rf"\g<1>{written}", text))
    (load_sweep if "sweep" in path else load_experiment)(Path(path))


def test_an_override_replaces_a_path_of_the_former_rule(at_the_former_place: Path) -> None:
    experiment = load_experiment(Path("experiments/experiment.yaml"), ["data.corpus.folder=corpus"])
    assert folder_of(experiment) == str(at_the_former_place / "corpus")


def test_a_file_in_the_working_directory_means_what_it_did(project: Path) -> None:
    (project / "corpus").mkdir()
    (project / "e.yaml").write_text(FILES)
    assert folder_of(load_experiment(Path("e.yaml"))) == str(project / "corpus")


def fingerprint(project: Path) -> dict[str, Any]:
    return sweep_fingerprint(*load_sweep(project / "searches" / "sweep.yaml"), data=DataOfRows("x"))


def test_a_project_may_be_moved_between_two_launches(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = fingerprint(project)
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    project.rename(moved)
    require_unchanged(before, fingerprint(moved), moved)
    relative = {**before, "sweep": {**before["sweep"], "experiment": "../experiments/experiment.yaml"}}
    require_unchanged(relative, fingerprint(moved), moved)


def test_another_kind_of_storage_is_another_study(project: Path) -> None:
    before = fingerprint(project)
    (project / "searches" / "sweep.yaml").write_text(STORED.replace("sqlite:///s.db", "postgresql://host/s"))
    with pytest.raises(ChangedError, match=r"search\.storage"):
        require_unchanged(before, fingerprint(project), project)
