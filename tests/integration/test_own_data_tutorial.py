"""docs/own-data.md as a reader follows it: its files are saved, its commands are typed, in order."""

import gzip
import re
import shlex
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml
from conftest import REPOSITORY

from intelligen.cli.main import commands, guarded
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FilesCorpus, HubCorpus
from intelligen.data.corpora import open_corpus

PAGE = (REPOSITORY / "docs" / "own-data.md").read_text(encoding="utf-8")
SAVED = dict(re.findall(r"```\w+\n# ([\w.]+)\n(.*?)```", PAGE, re.DOTALL))
TYPED = [
    line.strip()
    for line in re.findall(r"^    (?=\S).*$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE)
]
TRAINING = next(number for number, line in enumerate(TYPED) if line.startswith("intelligen run"))
FORMS = re.findall(r"`train: (\{.*?\})` \|$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, in which a reader has saved the page's files."""
    for name in ("invent.py", "experiment.yaml", "sweep.yaml"):
        (tmp_path / name).write_text(SAVED[name], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_comes_before_the_training_works_as_it_is_typed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    printed = {}
    for program, *words in map(shlex.split, TYPED[:TRAINING]):
        if program == "python":
            subprocess.run([sys.executable, *words], cwd=folder, check=True, timeout=600)
            continue
        untimed = ["--no-calibrate"] if words[0] == "plan" else []
        code = guarded(lambda given=[*words, *untimed]: commands.main(given, standalone_mode=False))
        out, err = capfd.readouterr()
        assert code == 0, err
        printed[words[0]] = out
    assert list(printed) == ["prepare", "validate", "plan"]
    assert "train: 3,300 of 3,300 rows kept" in printed["prepare"]
    assert "50 of 50 sampled trials resolve" in printed["validate"]
    assert "warning " not in printed["plan"]


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_of_it_works_as_it_is_typed(folder: Path) -> None:
    said = {}
    (folder / "new.tsv").write_text("the old king sees the red bird\tder alte koenig sieht den roten vogel\n")
    for line in TYPED:
        typed = line.replace("python ", f"{sys.executable} ").replace("intelligen ", f"{sys.executable} -m intelligen ")
        command = ["bash", "-c", typed]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
        assert done.returncode == 0, (line, done.stderr)
        said[line.rpartition("intelligen ")[2].split()[0]] = done.stdout
    assert list(said)[-4:] == ["run", "report", "inference", "test"]
    assert "generative_position_matched" in said["run"]
    assert len(said["inference"].splitlines()) == 1
    assert "new" in said["test"]


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
