"""AIHub's dialogues: who answers whom, categories, and faults named by file and path."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Data, FilesCorpus, Tokenizer
from intelligen.config.schema.split_forms import Dialogues, HeldOut
from intelligen.config.schema.tasks import QuestionAnswering
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_files import FileRows
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.preparation import prepare
from intelligen.errors import DataError

COLUMNS = QuestionAnswering.columns


def dialogue(category: str, *lines: tuple[object, str]) -> dict[str, Any]:
    said = [{"id": n, "norm_text": text, "speaker": who} for n, (who, text) in enumerate(lines)]
    return {"category": category, "annotations": {"lines": said}}


def written(path: Path, *dialogues: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"info": dialogues}, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def rows_of(
    folder: Path, *, categories: list[str] | None = None, name: str = "talk", notes: Counter[str] | None = None
) -> list[Row]:
    files = Dialogues(dialogues=name, categories=categories)
    return list(FileRows(folder, {"train": files}, COLUMNS).rows("train", notes))


A, B = {"id": "A"}, {"id": "B"}


def test_each_line_answers_the_one_before_it_and_lines_of_one_speaker_are_joined(tmp_path: Path) -> None:
    talk = dialogue("미용", (A, "안녕"), (A, " 뭐 해? "), (B, "염색"), (B, ""), (A, "무슨 색?"), (B, "갈색"))
    written(tmp_path / "talk.json", talk, dialogue("건강", (A, "하나"), (B, "둘")))
    notes: Counter[str] = Counter()
    assert rows_of(tmp_path, name="talk.json", notes=notes) == [
        ("안녕 뭐 해?", "염색"),
        ("염색", "무슨 색?"),
        ("무슨 색?", "갈색"),
        ("하나", "둘"),  # no row goes from one dialogue to the next
    ]
    assert notes == {"lines_without_text": 1}


@pytest.mark.parametrize("speakers", [(1, 1, 2), ("1", "1", "2"), ({"id": 1}, {"id": "1"}, {"id": 2})])
def test_speakers_may_be_names_numbers_or_objects(tmp_path: Path, speakers: tuple[object, ...]) -> None:
    written(tmp_path / "talk" / "a.json", dialogue("c", *zip(speakers, "abc", strict=True)))
    assert rows_of(tmp_path) == [("a b", "c")]


def test_without_speakers_every_line_is_one_of_its_own(tmp_path: Path) -> None:
    written(tmp_path / "talk" / "a.json", dialogue("c", *[(None, text) for text in "abc"]))
    assert rows_of(tmp_path) == [("a", "b"), ("b", "c")]


def test_files_at_any_depth_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.json", "a.json.gz", "b/1.json", "note.txt"):
        written(tmp_path / "talk" / name, dialogue("c", (A, name), (B, "x")))
    assert [row[0] for row in rows_of(tmp_path)] == ["a.json.gz", "b/1.json", "b/2.json"]


def test_categories_choose_dialogues(tmp_path: Path) -> None:
    written(tmp_path / "talk" / "a.json", *[dialogue(c, (A, f"{c} {n}"), (B, "x")) for c in "pqr" for n in range(2)])
    assert [row[0] for row in rows_of(tmp_path, categories=["r", "p"])] == ["p 0", "p 1", "r 0", "r 1"]
    message = f"{tmp_path / 'talk'}: no dialogue of the category `s` (there are p, q, r)"
    with pytest.raises(DataError, match=re.escape(message)):
        rows_of(tmp_path, categories=["p", "s"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"dataset": 1, "inf": []}, "a.json: no field `info` (there are dataset, inf); did you mean `inf`?"),
        ([1], "a.json: must be an object, got a list"),
        ({"info": [{"annotations": {"lines": []}}]}, "a.json:info[0]: no field `category` (there are annotations)"),
        (
            {"info": [{"category": "c", "annotations": {}}]},
            "a.json:info[0].annotations: no field `lines` (there are none)",
        ),
        (
            {"info": [{"category": "c", "annotations": {"lines": [{"norm_text": None}]}}]},
            "a.json:info[0].annotations.lines[0].norm_text: must be text, got null",
        ),
        (
            {"info": [{"category": "c", "annotations": {"lines": [{"norm_text": "a", "speaker": []}]}}]},
            "a.json:info[0].annotations.lines[0].speaker: must be a name, a number, or an object with `id`",
        ),
    ],
)
def test_a_file_of_another_shape_is_named_with_what_is_there(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=re.escape(message)):
        rows_of(tmp_path, categories=["c"])


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "talk").mkdir()
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'talk'}: no .json file in this folder")):
        rows_of(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        rows_of(tmp_path, name="elsewhere")


def test_a_split_that_is_drawn_from_dialogues_has_whole_ones(tmp_path: Path) -> None:
    some = [dialogue("c", *[((A, B)[n % 2], f"{d} line {n}") for n in range(5)]) for d in range(12)]
    written(tmp_path / "talk" / "a.json", *some[:6])
    written(tmp_path / "talk" / "b.json", *some[6:])
    drawn = HeldOut.model_validate({"from": "train", "rows": 7})
    splits = {"train": Dialogues(dialogues="talk"), "valid": drawn, "test": drawn}
    found = open_corpus(FilesCorpus(folder=str(tmp_path), splits=splits), COLUMNS)
    numbers = {split: {row[0].split()[0] for row in found.rows(split)} for split in found.splits}
    assert {split: len(some) for split, some in numbers.items()} == {"train": 8, "valid": 2, "test": 2}
    assert len(set().union(*numbers.values())) == 12


def test_a_new_test_set_may_be_dialogues_where_the_experiments_own_is(tmp_path: Path) -> None:
    some = [dialogue("c", *[((A, B)[n % 2], f"{d} line {n}") for n in range(5)]) for d in range(12)]
    written(tmp_path / "talk" / "a.json", *some)
    drawn = HeldOut.model_validate({"from": "train", "rows": 7})
    splits = {"train": Dialogues(dialogues="talk"), "valid": drawn, "test": drawn}
    data = Data(corpus=FilesCorpus(folder=str(tmp_path), splits=splits), tokenizer=Tokenizer(vocabulary=30))
    prepared = prepare(data, tmp_path / "store", columns=COLUMNS)
    written(tmp_path / "new.json", dialogue("other", (A, "a"), (B, "b"), (A, "c")))
    with NewTestSet("new", (tmp_path / "new.json",)).encoded(prepared, COLUMNS) as (split, _):
        assert split.texts("answer") == ["b", "c"]


def test_the_same_dialogues_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    for folder in ("x", "y/z"):
        written(tmp_path / folder / "talk" / "a.json", dialogue("c", (A, "a"), (B, "b")))
    one, other = (FileRows(tmp_path / f, {"train": Dialogues(dialogues="talk")}, COLUMNS) for f in ("x", "y/z"))
    assert one.fingerprint() == other.fingerprint()
    named = (*COLUMNS, Column("dialogue", read=True, kind="label"))
    assert FileRows(tmp_path / "x", {"train": Dialogues(dialogues="talk")}, named).fingerprint() != one.fingerprint()
