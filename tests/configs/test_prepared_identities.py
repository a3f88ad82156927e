"""What an earlier revision prepared is found again, and is what would be prepared now, for all that is shipped.

`tests/golden/prepared.json` holds what revision 6fbe00f made of the experiments that it shipped, and of a later one, or
of a sweep's row with data of its own, what the revision made that brought it: the identity of their data, and the
SHA-256 of each file that was prepared. Where their corpus is not inside the package, a stand-in takes its place. No
entry is ever written again: a difference means that data are prepared, and baselines trained, once more.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import REPOSITORY
from shipped_copy import copy_shipped

from intelligen.config.load import experiment_document, load_experiment, load_sweep, row_experiments
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.split_forms import ParallelText
from intelligen.config.sweep_file import read_sweep
from intelligen.data.corpora import open_corpus
from intelligen.data.preparation import data_identity, prepare

GOLDEN = json.loads((REPOSITORY / "tests" / "golden" / "prepared.json").read_text())
ENGLISH = "The house isn't red and a man's dog sees 3.5 children (today) NATO —"
GERMAN = "Das Haus ist nicht größer und sieht 3,5 Kinder „heute“ NATO weiß ein —"
KOREAN = "이 영화는 정말 재미있고 배우들의 연기가 좋았다 별로 추천하지 않는다 다시 보고 싶은"
KINDS = ["미용", "건강", "연애/결혼", "일상대화", "교육"]
# Few rows teach no large vocabulary.
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


def translation(path: str) -> bool:
    """Whether it is of pairs, as its file says: a pre-trained model that it names need not be there."""
    if "#" in path:
        return False
    task = experiment_document(REPOSITORY / path).data.get("task", {})
    return isinstance(task, dict) and task.get("name", "translation") == "translation"


@pytest.mark.parametrize("path", [path for path in GOLDEN if translation(path)])
def test_pairs_of_shipped_experiments_are_what_was_prepared(path: str, tmp_path: Path) -> None:
    experiment = load_experiment(REPOSITORY / path)
    data, columns = experiment.data, experiment.task.columns
    if not isinstance(data.corpus, EmbeddedCorpus):
        (tmp_path / "corpus").mkdir()
        data = data.model_copy(update={"corpus": write_stand_in(tmp_path / "corpus")})
    identity = data_identity(data, open_corpus(data.corpus, columns).fingerprint(), columns)
    prepared = prepare(small(data), tmp_path / "store", columns=columns)
    found = {"data": identity, "small": prepared.identity, "files": dict(prepared_files(prepared.directory))}
    assert found == GOLDEN[path]


@pytest.fixture(scope="module")
def few_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files for few rows, and texts in the places that they name."""
    place = copy_shipped(tmp_path_factory.mktemp("shipped"))
    for path in (place / "experiments").glob("*.yaml"):
        written = re.sub(r"vocabulary: \d+", f"vocabulary: {VOCABULARY}", path.read_text(encoding="utf-8"))
        # Packed bytes, which the fingerprint is of, are another library's.
        path.write_text(re.sub(r"rows: \d+", "rows: 20", written).replace(".gz", ""), encoding="utf-8")
    draw = random.Random(2)
    words = f"{ENGLISH} {KOREAN}".split()
    texts = [_sentence(draw, words) for _ in range(300)] + [" ".join(words * 40), "좋다"]
    for folder, column in (("nsmc", "document"), ("imdb", "text")):
        for number, split in enumerate(("train", "test")):
            rows = [f"{text}\t{len(text) % 2}\n" for text in texts[number::2]]
            write(place / "data" / folder / f"{split}.tsv", f"{column}\tlabel\n" + "".join(rows))
    for number, split in enumerate(("train", "valid")):
        write(place / "data" / "kowiki" / f"{split}.txt", "\n\n".join(texts[number::2]))
    write_questions(place / "data", texts)
    return place


def write_questions(data: Path, texts: list[str]) -> None:
    """Tables, dialogues and questions with contexts, each text the answer to the one before it."""
    names = [("train", "Training", "train"), ("valid", "Validation", "dev")]
    for number, (table, dialogues, squad) in enumerate(names):
        half = texts[number::2]
        pairs = [f"{question}\t{answer}\n" for question, answer in pairwise(half)]
        write(data / "chatbot_ko" / f"{table}.tsv", "question\tanswer\n" + "".join(pairs))
        talks = [{"category": KINDS[n % 5], "annotations": {"lines": lines(half[n : n + 4])}} for n in range(0, 140, 4)]
        write(data / "aihub_dialogues" / dialogues / "a.json", json.dumps({"info": talks}, ensure_ascii=False))
        articles = [{"title": f"{n}", "paragraphs": [asked(half[n : n + 2])]} for n in range(100)]
        write(data / "korquad" / f"KorQuAD_v1.0_{squad}.json", json.dumps({"data": articles}, ensure_ascii=False))


def lines(texts: list[str]) -> list[dict[str, object]]:
    return [{"norm_text": text, "speaker": {"id": "ABBA"[number]}} for number, text in enumerate(texts)]


def asked(texts: list[str]) -> dict[str, object]:
    question, context = texts
    answers = [{"text": word, "answer_start": context.index(word)} for word in context.split()[:2]]
    return {"context": context, "qas": [{"question": question, "answers": answers}]}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def experiment_at(path: str, place: Path) -> Experiment:
    """Of an experiment file, or of a sweep file's row after a `#`."""
    file, _, row = path.partition("#")
    return row_experiments(*load_sweep(place / file))[row] if row else load_experiment(place / file)


@pytest.mark.parametrize("path", [path for path in GOLDEN if not translation(path)])
def test_texts_of_shipped_files_are_what_was_prepared(path: str, few_texts: Path) -> None:
    experiment = experiment_at(path, few_texts)
    prepared = prepare(experiment.data, few_texts / "store", columns=experiment.task.columns)
    assert {"small": prepared.identity, "files": dict(prepared_files(prepared.directory))} == GOLDEN[path]


def test_what_every_shipped_file_prepared_is_stored(few_texts: Path) -> None:
    shipped = {f"experiments/{path.name}" for path in (few_texts / "experiments").glob("*.yaml")}
    for path in (few_texts / "search_spaces").glob("*.yaml"):
        of_data = [
            row for row in read_sweep(path).sweep.variants() if any(key.startswith("data.") for key in row.settings)
        ]
        shipped |= {f"search_spaces/{path.name}#{row.id}" for row in of_data}
    assert shipped == set(GOLDEN)
