"""Vocabularies of another experiment's data: the same pieces under any path, with what does not fit said or refused."""

import shutil
from pathlib import Path

import pytest

from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import Data, FilesCorpus, OfExperiment
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.split_forms import PairTable
from intelligen.data.data_summary import describe
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import ConfigError, DataError

FIRST = """
version: 1
name: first
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {source: train.en, target: train.de}
      valid: {source: valid.en, target: valid.de}
      test: {source: valid.en, target: train.en}
  tokenizer: {vocabulary: 24, joint: JOINT}
model: {tied_embeddings: decoder}
"""
SECOND = """
version: 1
name: second
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {source: other.en, target: other.en}
      valid: {source: valid.en, target: valid.de}
      test: {source: other.en, target: other.de}
  tokenizer: {name: of_experiment, experiment: first.yaml}
"""


def write(folder: Path, *, joint: bool = True, first: str = FIRST, second: str = SECOND) -> Path:
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    texts = {
        "train.en": ["Ape bee", "cat"] * 40,
        "train.de": ["Affe Biene", "Katze"] * 40,
        "valid.en": ["bee cat", "Ape"],
        "valid.de": ["Biene", "Affe"],
        "other.en": ["cat Ape ape", "bee"] * 9,
        "other.de": ["Katze", "Xylophon"] * 9,
    }
    for name, lines in texts.items():
        (folder / "corpus" / name).write_text("".join(f"{line}\n" for line in lines))
    first = first.replace("test: {source: valid.en, target: train.en}", "test: {source: other.en, target: other.de}")
    (folder / "first.yaml").write_text(first.replace("JOINT", str(joint).lower()))
    (folder / "second.yaml").write_text(second)
    return folder


def prepared(folder: Path, name: str = "second", store: Path | None = None) -> Prepared:
    experiment = load_experiment(folder / f"{name}.yaml")
    return prepare(experiment.data, store or folder / "store", columns=experiment.task.columns)


def test_each_column_has_the_pieces_of_the_others_column_of_that_name(tmp_path: Path) -> None:
    for joint in (True, False):
        folder = write(tmp_path / str(joint), joint=joint, second=SECOND + "model: {tied_embeddings: decoder}\n")
        second = prepared(folder)
        first = prepared(folder, "first")  # which was prepared with it
        for column in ("source", "target"):
            assert second.tokenizer(column).pieces == first.tokenizer(column).pieces
            assert second.file_hash(second.manifest.tokenizers[column]) == first.file_hash(
                first.manifest.tokenizers[column]
            )
        text = second.split("valid").columns["source"]
        assert first.tokenizer("source").decode([text[row].tolist() for row in (0, 1)]) == ["bee cat", "Ape"]
        assert open_prepared(second.directory).manifest.tokenizer == first.manifest.data.tokenizer
        assert f"pieces of the prepared data {first.identity}" in describe(second)[0]


def test_a_column_of_another_name_takes_the_joint_vocabulary(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for split, rows in (("train", 20), ("valid", 1)):
        (folder / "corpus" / f"{split}.tsv").write_text("text\tlabel\n" + "Ape\t1\nbee\t0\n" * rows)
    splits = {split: PairTable(file=f"{split}.tsv") for split in ("train", "valid")}
    columns = (Column("text", read=True), Column("label", read=False, kind="label"))
    data = Data(
        corpus=FilesCorpus(folder=str(folder / "corpus"), splits=splits),
        tokenizer=OfExperiment(name="of_experiment", experiment=str(folder / "first.yaml")),
    )
    found = prepare(data, folder / "store", columns=columns)
    assert found.tokenizer("text").pieces == prepared(folder, "first").tokenizer("source").pieces
    assert found.manifest.tokenizers == {"text": "joint.model"}
    write(folder, joint=False)
    with pytest.raises(DataError, match=r"first\.yaml have no vocabulary for the column text \(there are source, targ"):
        prepare(data, folder / "store", columns=columns)


def test_paths_are_no_part_of_the_identity_and_the_pieces_are(tmp_path: Path) -> None:
    here, there = write(tmp_path / "here"), write(tmp_path / "there")
    one = prepared(here)
    shutil.move(there / "first.yaml", there / "renamed.yaml")
    (there / "second.yaml").write_text(SECOND.replace("first.yaml", "renamed.yaml"))
    assert prepared(there).identity == one.identity
    (there / "renamed.yaml").write_text((here / "first.yaml").read_text().replace("24", "25"))
    assert prepared(there).identity != one.identity


def test_another_casing_is_said(tmp_path: Path) -> None:
    said = "its pieces are of texts that were lower-cased, and these were not lower-cased: -o data.lowercase=true"
    folder = write(tmp_path, first=FIRST.replace("data:\n", "data:\n  lowercase: true\n"))
    assert said in describe(prepared(folder))
    write(folder, second=SECOND.replace("data:\n", "data:\n  lowercase: true\n"))
    assert "its pieces are of texts that were not lower-cased, and these were lower-cased" in "".join(
        describe(prepared(folder))
    )
    write(folder)
    assert not any("lower-cased" in line for line in describe(prepared(folder)))


def test_a_chain_of_experiments_ends_at_the_one_that_learns(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "third.yaml").write_text(SECOND.replace("first.yaml", "second.yaml"))
    third, first = prepared(folder, "third"), prepared(folder, "first")
    assert third.tokenizer("source").pieces == first.tokenizer("source").pieces
    assert third.manifest.tokenizer == first.manifest.data.tokenizer


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (
            SECOND.replace("first.yaml", "second.yaml"),
            r"none of these experiments learns vocabularies: \S*\.yaml → \S*\.yaml → \S*\.yaml",
        ),
        (None, r"first\.yaml: no such file"),
        (
            FIRST.replace("24", "no"),
            r"first\.yaml:12: data\.tokenizer\.vocabulary: must be a whole number, got \"no\"",
        ),
        (
            FIRST.replace("JOINT", "false"),
            r"first\.yaml has separate vocabularies, and model\.tied_embeddings `all` needs a joint one; set ",
        ),
    ],
)
def test_an_experiment_without_fitting_vocabularies_is_refused_at_the_line_that_names_it(
    tmp_path: Path, first: str | None, message: str
) -> None:
    folder = write(tmp_path, first=first or FIRST)
    if first is None:
        (folder / "first.yaml").unlink()
    (folder / "sweep.yaml").write_text(
        "version: 1\nname: s\nexperiment: second.yaml\nbudget: {trials: 2}\nspace:\n  strategy: {choice: [standard]}\n"
    )
    for load in (load_experiment, load_sweep):
        with pytest.raises(
            ConfigError, match=rf"second\.yaml:12: data\.tokenizer\.experiment: (\S*/)?{message}"
        ) as refused:
            load(folder / ("second.yaml" if load is load_experiment else "sweep.yaml"))
        assert len(refused.value.args) == 1


def test_a_path_starts_at_the_file_that_names_it(tmp_path: Path) -> None:
    experiment: Experiment = load_experiment(write(tmp_path) / "second.yaml")
    assert experiment.data.tokenizer == OfExperiment(name="of_experiment", experiment=str(tmp_path / "first.yaml"))


def test_an_override_may_name_the_experiment_and_learn_again(tmp_path: Path) -> None:
    folder = write(tmp_path)
    own = load_experiment(folder / "second.yaml", ["data.tokenizer={vocabulary: 20}"]).data.tokenizer
    assert (type(own).__name__, own.model_dump()["vocabulary"]) == ("Tokenizer", 20)
    (folder / "third.yaml").write_text((folder / "first.yaml").read_text())
    named = f"data.tokenizer={{name: of_experiment, experiment: {folder / 'second.yaml'}}}"
    assert isinstance(load_experiment(folder / "third.yaml", [named]).data.tokenizer, OfExperiment)
