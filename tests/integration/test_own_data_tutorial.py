"""docs/own-data.md as a reader follows it: its files are saved, its commands are typed, in order."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml
from conftest import REPOSITORY

from intelligen.config.load import load_sweep
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FilesCorpus, HubCorpus
from intelligen.data.corpora import open_corpus
from intelligen.sweep.preflight.sweep_warnings import sweep_warnings

PAGE = (REPOSITORY / "docs" / "own-data.md").read_text(encoding="utf-8")
SAVED = dict(re.findall(r"```\w+\n# ([\w.]+)\n(.*?)```", PAGE, re.DOTALL))
TYPED = [
    line.strip()
    for line in re.findall(r"^    (?=\S).*$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE)
]
TRAINING = next(number for number, line in enumerate(TYPED) if line.startswith("intelligen run"))
FORMS = re.findall(r"`train: (\{.*?\})` \|$", PAGE, re.MULTILINE)


def typed(line: str, folder: Path, timeout: int) -> subprocess.CompletedProcess[str]:
    """What a line prints, in a shell of its own."""
    line = line.replace("python ", f"{sys.executable} ").replace("intelligen ", f"{sys.executable} -m intelligen ")
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader has saved the page's files, and typed what comes before the training."""
    place = tmp_path_factory.mktemp("own data")
    for name in ("invent.py", "experiment.yaml", "sweep.yaml"):
        (place / name).write_text(SAVED[name], encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """Command → what it prints, of those before the training."""
    found = {}
    for line in TYPED[:TRAINING]:
        done = typed(line.replace("plan ", "plan --no-calibrate "), folder, 600)
        assert done.returncode == 0, (line, done.stderr)
        found[line] = done.stdout
    return found


def test_what_comes_before_the_training_works_as_it_is_typed(printed: dict[str, str]) -> None:
    assert [line.split()[1] for line in printed] == ["invent.py", "prepare", "validate", "plan"]
    prepared, validated = printed["intelligen prepare experiment.yaml"], list(printed.values())[2]
    assert "train: 3,300 of 3,300 rows kept" in prepared
    assert "50 of 50 sampled trials resolve" in validated
    assert "warning " not in printed["intelligen plan sweep.yaml"]


@pytest.mark.extended
@pytest.mark.slow
def test_the_sweep_the_answer_and_the_model_work_as_they_are_typed(folder: Path, printed: dict[str, str]) -> None:
    del printed  # the table is there
    said = {}
    for line in TYPED[TRAINING:]:
        done = typed(line, folder, 1500)
        assert done.returncode == 0, (line, done.stderr)
        said[line.rpartition("intelligen ")[2].split()[0]] = done.stdout
    assert list(said) == ["run", "report", "extend", "inference", "test"]
    assert "generative_position_matched" in said["run"]
    assert len(said["inference"].splitlines()) == 1
    assert "again" in said["test"]


def written(folder: Path, form: dict[str, str]) -> None:
    """The files that a line of the page names, with one pair in each."""
    first, second = form.get("source_field", "source"), form.get("target_field", "target")
    named = "columns" not in form
    texts = {
        ".tsv": f"{first}\t{second}\n" * named + "an ape\tein Affe\n",
        ".csv": f"{first},{second}\n" * named + '"an\nape",ein Affe\n',
        ".jsonl": '{"translation": {"en": "an ape", "de": "ein Affe"}}\n',
    }
    if "source" in form:
        (folder / form["source"]).write_text("an ape\n")
        (folder / form["target"]).write_text("ein Affe\n")
        return
    text = texts[Path(form["file"].removesuffix(".gz")).suffix].encode()
    (folder / form["file"]).write_bytes(gzip.compress(text) if form["file"].endswith(".gz") else text)


@pytest.mark.parametrize("form", FORMS)
def test_each_other_form_is_read_as_the_page_writes_it(tmp_path: Path, form: str) -> None:
    train = yaml.safe_load(form)
    written(tmp_path, train)
    splits = {"train": train, "valid": train}
    corpus = FilesCorpus.model_validate({"folder": str(tmp_path), "splits": splits})
    assert list(open_corpus(corpus, SOURCE_AND_TARGET).rows("train")) == [("an ape", "ein Affe")]


@pytest.mark.parametrize("whole", [True, False], ids=["DatasetDict", "Dataset"])
def test_a_saved_data_set_is_read_as_the_page_writes_it(tmp_path: Path, whole: bool) -> None:
    saved = datasets.Dataset.from_dict(
        {"en": [f"ape {n}" for n in range(400)], "de": [f"Affe {n}" for n in range(400)]}
    )
    (datasets.DatasetDict(train=saved) if whole else saved).save_to_disk(tmp_path / "saved")
    settings = yaml.safe_load(SAVED["corpus"]) | {"dataset": str(tmp_path / "saved")}
    corpus = open_corpus(HubCorpus.model_validate(settings), SOURCE_AND_TARGET)
    assert [sum(1 for _ in corpus.rows(split)) for split in ("train", "valid", "test")] == [100, 100, 200]


def test_the_sweep_of_the_page_gives_no_warning(folder: Path) -> None:
    assert sweep_warnings(*load_sweep(folder / "sweep.yaml")) == []
