"""What was prepared by the first release is found again, and is what would be prepared now, for all that it shipped.

`tests/golden/prepared.json` holds what revision 6fbe00f made of the shipped experiments: the identity of their data,
and the SHA-256 of each file that it prepared. Where their corpus is not inside the package, a stand-in takes its place.
The file is never written again: a difference means that data are prepared, and baselines trained, once more.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.config.load import load_experiment
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus
from intelligen.config.schema.split_forms import ParallelText
from intelligen.data.corpora import open_corpus
from intelligen.data.preparation import data_identity, prepare

GOLDEN = json.loads((REPOSITORY / "tests" / "golden" / "prepared.json").read_text())
ENGLISH = "The house isn't red and a man's dog sees 3.5 children (today) NATO —"
GERMAN = "Das Haus ist nicht größer und sieht 3,5 Kinder „heute“ NATO weiß ein —"
# Few pairs teach no large vocabulary.
VOCABULARY, EMBEDDED_PAIRS = 200, 500


def write_stand_in(folder: Path) -> FilesCorpus:
    """Pairs with all that the shipped filters leave out, Moses' rules split and lower-casing changes."""
    draw = random.Random(1)
    for split, rows in (("train", 600), ("valid", 20), ("test", 20)):
        pairs = [tuple(_sentence(draw, text.split()) for text in (ENGLISH, GERMAN)) for _ in range(rows)]
        if split == "train":
            pairs += [("Yes.", "Ja."), ("", "Nichts davon."), (" ".join([ENGLISH] * 8), " ".join([GERMAN] * 8))]
        for side, name in enumerate(("en", "de")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{split}.{name}").write_text(text, encoding="utf-8", newline="\n")
    splits = {name: ParallelText(source=f"{name}.en", target=f"{name}.de") for name in ("train", "valid", "test")}
    return FilesCorpus(folder=str(folder), splits=splits)


def _sentence(draw: random.Random, words: list[str]) -> str:
    return " ".join(draw.choice(words) for _ in range(draw.randint(1, 14))) + draw.choice(".!?")


def small(data: Data) -> Data:
    """The same settings, for few pairs."""
    corpus = data.corpus
    if isinstance(corpus, EmbeddedCorpus):
        corpus = corpus.model_copy(update={"train": EMBEDDED_PAIRS, "valid": 20, "test": 20})
    tokenizer = data.tokenizer.model_copy(update={"vocabulary": VOCABULARY})
    return data.model_copy(update={"corpus": corpus, "tokenizer": tokenizer})


def prepared_files(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.iterdir()):
        if path.name != "manifest.json":  # it holds versions
            yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("path", GOLDEN)
def test_data_of_shipped_experiments_are_what_the_first_release_prepared(path: str, tmp_path: Path) -> None:
    experiment = load_experiment(REPOSITORY / path)
    data, columns = experiment.data, experiment.task.columns
    if not isinstance(data.corpus, EmbeddedCorpus):
        (tmp_path / "corpus").mkdir()
        data = data.model_copy(update={"corpus": write_stand_in(tmp_path / "corpus")})
    identity = data_identity(data, open_corpus(data.corpus, columns).fingerprint(), columns)
    prepared = prepare(small(data), tmp_path / "store", columns=columns)
    found = {"data": identity, "small": prepared.identity, "files": dict(prepared_files(prepared.directory))}
    assert found == GOLDEN[path]


def test_every_experiment_of_the_first_release_is_shipped() -> None:
    shipped = {f"experiments/{path.name}" for path in (REPOSITORY / "experiments").glob("*.yaml")}
    assert set(GOLDEN) <= shipped
