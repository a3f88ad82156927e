"""Models that write no text: their test scores name no search, and new test sets come in the forms of their data."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from intelligen.cli.main import commands, guarded
from intelligen.errors import StorageError
from intelligen.training.scores_file import (
    current_score_files,
    read_scores,
    require_scored,
    score_files,
    scored_split,
)

BRIEF = """
training: {epochs: 1, epoch_updates: 2, batch_tokens: 200}
model: {name: decoder_only, d_model: 16, d_ff: 16, heads: 2, layers: 1, max_positions: 32}
"""
CLASSES = """
version: 1
name: reviews
task: {name: classification}
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {folder: train, labels: [neg, pos]}
      valid: {from: train, rows: 8}
      test: {folder: test}
  tokenizer: {vocabulary: 40}
  max_tokens: 20
"""
LANGUAGE = """
version: 1
name: language
task: {name: language_modelling, n_seq: 16}
data:
  corpus: {name: files, folder: corpus, splits: {train: {documents: documents.txt}, valid: {from: train, rows: 6}}}
  tokenizer: {vocabulary: 40}
  max_tokens: 20
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier and a language model, each trained for two updates."""
    folder = tmp_path_factory.mktemp("models")
    rng = random.Random(3)
    words = ["fine", "dull", "film", "day", "warm", "cold", "the", "and"]
    texts = [" ".join(rng.choices(words, k=6)) for _ in range(60)]
    for number, text in enumerate(texts):
        split = "train" if number < 48 else "test"
        place = folder / "corpus" / split / ("neg", "pos")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(text)
    (folder / "corpus" / "train" / "unsup").mkdir()
    (folder / "corpus" / "documents.txt").write_text("\n\n".join(texts) + "\n")
    (folder / "reviews.yaml").write_text(CLASSES + BRIEF)
    (folder / "language.yaml").write_text(LANGUAGE + BRIEF)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("reviews", "language"):
            assert call("train", f"{name}.yaml") == 0
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def call(*arguments: str) -> int:
    return guarded(lambda: commands.main([*arguments, "--runs", "runs"], standalone_mode=False))


def scored(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capfd.readouterr()
    assert call("test", *arguments, "--json") == 0
    (found,) = json.loads(capfd.readouterr().out)["scores"]
    return dict(found)


def test_scores_of_a_classifier_name_no_search(capfd: pytest.CaptureFixture[str]) -> None:
    found = scored(capfd, "reviews.yaml")
    path = Path(found["hypotheses"])
    trial = path.parents[1]
    assert (path.name, found["search"], found["pairs"]) == ("test.json", None, 12)
    assert [one.name for one in current_score_files(trial)] == ["test.json"]
    assert read_scores(path).search is None
    assert call("test", "reviews.yaml") == 0
    out = capfd.readouterr().out
    assert "search" not in out
    # A search that is asked for would be none.
    for option in (("--search", "greedy"), ("--beam-size", "3")):
        assert call("test", "reviews.yaml", *option) == 2
        assert f"{option[0]}: classification writes no text" in capfd.readouterr().err
    require_scored(trial, {"test/accuracy": 1.0}, own_search=None)
    # What was scored before names a search; it counts, and is scored again under the new name.
    earlier = path.rename(path.with_name("test-beam.json"))
    require_scored(trial, {"test/accuracy": 1.0}, own_search=None)
    assert [scored_split(one) for one in score_files(trial)] == ["test"]
    earlier.unlink()
    with pytest.raises(StorageError, match=rf"intelligen test {trial} --split test$"):
        require_scored(trial, {"test/accuracy": 1.0}, own_search=None)


def test_a_replay_decodes_what_was_scored_under_the_same_name(capfd: pytest.CaptureFixture[str]) -> None:
    trial = Path(scored(capfd, "reviews.yaml")["hypotheses"]).parents[1]
    assert call("reproduce", str(trial), "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert ("hypotheses/test", True) in {(one["key"], one["agrees"]) for one in document["comparisons"]}


def test_a_file_beside_them_that_is_no_split_s_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    for name, search, files in (
        ("test", None, None),
        ("kept", {"name": "beam"}, None),
        ("test-beam", {"name": "beam"}, None),
        ("new", None, {"a": "b"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps({"search": search, "files": files}))
    assert [path.name for path in score_files(tmp_path)] == ["test-beam.json", "test.json"]


def test_a_classifier_is_scored_on_a_folder_with_a_subfolder_for_each_label(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(project / "corpus" / "test", project / "fresh")
    new = scored(capfd, "reviews.yaml", "--data", "again=fresh")
    assert (new["name"], new["pairs"], Path(new["hypotheses"]).name) == ("again", 12, "again.json")
    assert new["metrics"] == scored(capfd, "reviews.yaml")["metrics"]
    ((folder, digest),) = new["files"].items()
    (project / "fresh" / "pos" / "new.txt").write_text("fine film")
    more = scored(capfd, "reviews.yaml", "--data", "again=fresh")
    assert (more["pairs"], folder, more["files"][folder] != digest) == (13, "fresh", True)


def test_a_language_model_is_scored_on_a_text_of_documents(capfd: pytest.CaptureFixture[str]) -> None:
    found = scored(capfd, "language.yaml", "--data", "new=corpus/documents.txt")
    assert (found["pairs"], Path(found["hypotheses"]).name) == (60, "new.json")
    assert found["perplexity"]["value"] > 1


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        (
            "reviews.yaml",
            "x=corpus/documents.txt",
            "corpus/documents.txt is no table; give a .tsv, .csv or .jsonl file with text and label, or a folder with a"
            " subfolder of .txt files for each label",
        ),
        ("reviews.yaml", "x=corpus/test/pos", "corpus/test/pos: has no subfolders"),
        ("reviews.yaml", "x=corpus/nowhere", "corpus/nowhere: no such file"),
    ],
)
def test_what_a_task_does_not_read_is_one_line_that_says_what_it_takes(
    capfd: pytest.CaptureFixture[str], model: str, data: str, said: str
) -> None:
    assert call("test", model, "--data", data) in (2, 65)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert said in lines[0]
