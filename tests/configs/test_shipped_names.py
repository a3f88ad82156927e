"""A shipped file is found by its name from any directory; what lies in the working directory comes first."""

import os
from pathlib import Path

import pytest
from conftest import REPOSITORY
from refusals import EXPERIMENT, VARIED, messages_of

from intelligen.cli.main import commands, guarded
from intelligen.config.files.shipped_files import FOLDERS, located, shipped
from intelligen.config.load import load_experiment, load_sweep
from intelligen.errors import ConfigError

QUICKSTART, SMALL = Path("search_spaces/quickstart.yaml"), Path("experiments/embedded_small.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which has nothing of the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal_of(path: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_sweep(Path(path), overrides)
    (line,) = messages_of(caught.value)
    return line


def test_a_clone_has_the_shipped_folders_at_its_top() -> None:
    assert shipped() == REPOSITORY
    assert all((REPOSITORY / folder).is_dir() for folder in FOLDERS)


def test_shipped_files_are_what_they_are_by_their_paths() -> None:
    assert load_experiment(SMALL) == load_experiment(REPOSITORY / SMALL)
    assert load_sweep(QUICKSTART) == load_sweep(REPOSITORY / QUICKSTART)
    _, other = load_sweep(QUICKSTART, [f"experiment={SMALL}"])
    assert other == load_experiment(REPOSITORY / SMALL)


def test_relative_paths_of_a_shipped_file_start_at_the_file() -> None:
    corpus = load_experiment(Path("experiments/wmt_news.yaml")).data.corpus
    assert getattr(corpus, "folder", "") == os.path.realpath(REPOSITORY / "data" / "wmt")


def test_the_working_directory_comes_first(here: Path) -> None:
    (here / "search_spaces").mkdir()
    (here / QUICKSTART).write_text(VARIED)
    (here / "search_spaces" / "experiment.yaml").write_text(EXPERIMENT)
    assert load_sweep(QUICKSTART)[1].name != "embedded"
    assert load_sweep(Path("search_spaces/study.yaml"))[0].name == "study"
    (here / "search_spaces" / "study.yaml").symlink_to("nowhere")
    assert refusal_of("search_spaces/study.yaml").startswith("search_spaces/study.yaml: no such file")


def test_an_experiment_in_the_place_of_a_sweep_is_one_line() -> None:
    told = refusal_of(str(SMALL))
    assert f"{SMALL}: is an experiment file; name a sweep file whose `experiment` it is" in told
    assert told.endswith(f"intelligen train {REPOSITORY / SMALL}")


@pytest.mark.parametrize(("folder", "written"), [(".", str(SMALL)), ("search_spaces", f"../{SMALL}")])
def test_a_sweep_of_one_s_own_may_name_a_shipped_experiment(folder: str, written: str, here: Path) -> None:
    (here / folder).mkdir(exist_ok=True)
    sweep = here / folder / "mine.yaml"
    sweep.write_text(VARIED.replace("experiment.yaml", written))
    assert load_sweep(sweep)[1] == load_experiment(SMALL)
    sweep.write_text(VARIED.replace("experiment.yaml", f"{written}l"))
    assert "no such file; did you mean" in refusal_of(str(sweep)) or "check the path" in refusal_of(str(sweep))


@pytest.mark.parametrize(
    "name",
    ["search_spaces/../search_spaces/quickstart.yaml", "quickstart.yaml", "README.md", "docs/README.md", "", "."],
)
def test_no_other_name_is_one_of_a_shipped_file(name: str) -> None:
    assert located(Path(name)) == Path(name)


def test_a_misspelt_name_is_answered_by_one_that_works() -> None:
    line = refusal_of("search_spaces/quikstart.yaml")
    assert line == f'search_spaces/quikstart.yaml: no such file; did you mean "{QUICKSTART}"?'


def test_messages_name_the_file_that_was_read() -> None:
    line = refusal_of(str(QUICKSTART), "experiment.task.selection_metric=valid/loss")
    assert line.startswith(f"{REPOSITORY / QUICKSTART}:")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["validate", str(QUICKSTART), str(SMALL), "--samples", "1"], 0, ""),
        (["plan", str(QUICKSTART), "--no-calibrate"], 0, ""),
        (["status", str(QUICKSTART)], 2, "no sweep 'quickstart'"),
        (["train", str(QUICKSTART)], 2, f"{QUICKSTART}: a sweep file"),
        (["test", str(SMALL), "-o", "data.corpus.train=500"], 69, f"run: intelligen train {SMALL} -o"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_verbs_take_the_names(words: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == code
    assert message in capfd.readouterr().err
