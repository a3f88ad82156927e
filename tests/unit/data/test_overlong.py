"""Texts beyond data.max_tokens: dropped, or cut where models read them; never cut where they write; all counted."""

from collections import Counter
from pathlib import Path

import pytest

from intelligen.config.base import comparable
from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import Data, FilesCorpus, Tokenizer
from intelligen.config.schema.split_forms import LineFiles
from intelligen.data.overlong import Fit, shortened
from intelligen.data.preparation import data_identity, prepare
from intelligen.data.prepared_data import Prepared
from intelligen.data.row_filters import Counts
from intelligen.errors import DataError

READ, LABEL = Column("text", read=True), Column("label", read=False, kind="label")
TEXTS = ["a b " * 4, "a b c d e " * 20, "e d c b a " * 30, "a c"] * 20
LABELS = ["1", "0", "1", "0"] * 20


@pytest.mark.parametrize(
    ("overlong", "bound", "left"),
    [
        ("drop", 4, [0, 1, 2, 3]),
        ("cut_end", 4, [0, 1, 2, 3]),
        ("cut_middle", 4, [0, 1, 8, 9]),
        ("cut_middle", 5, [0, 1, 2, 8, 9]),
        ("cut_middle", 9, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
        ("cut_middle", 10, [*range(10)]),
        ("cut_end", 11, [*range(10)]),
    ],
)
def test_the_end_or_the_middle_is_cut_out(overlong: str, bound: int, left: list[int]) -> None:
    assert shortened([*range(10)], Data.model_validate({"overlong": overlong, "max_tokens": bound})) == left


def prepared(folder: Path, columns: tuple[Column, ...], **settings: object) -> Prepared:
    for split, count in (("train", 80), ("valid", 7), ("test", 4)):
        (folder / f"{split}.text").write_text("".join(f"{text}\n" for text in TEXTS[:count]))
        (folder / f"{split}.label").write_text("".join(f"{label}\n" for label in LABELS[:count]))
    lines = {split: LineFiles(lines={"text": f"{split}.text", "label": f"{split}.label"}) for split in _SPLITS}
    base = Data(corpus=FilesCorpus(folder=str(folder), splits=lines), tokenizer=Tokenizer(vocabulary=12), max_tokens=20)
    data = Data.model_validate(base.model_dump() | settings)
    return prepare(data, folder / "store", columns=columns)


_SPLITS = ("train", "valid", "test")


def test_longer_training_rows_are_dropped_as_before(tmp_path: Path) -> None:
    data = Data(max_tokens=20)
    encoded = {"text": [[1] * 20, [1] * 21], "label": [[0], [1]]}
    rows, counts = [("short", "x"), ("long", "y")], Counts()
    kept, tokens = Fit((READ, LABEL), data).training(rows, encoded, counts)
    assert (kept, tokens, counts.dropped) == (
        [("short", "x")],
        {"text": [[1] * 20], "label": [[0]]},
        {"too_many_tokens": 1},
    )


@pytest.mark.parametrize("overlong", ["cut_end", "cut_middle"])
def test_longer_texts_that_models_read_are_cut_in_every_split(tmp_path: Path, overlong: str) -> None:
    whole = prepared(tmp_path, (READ, LABEL), max_tokens=1000)
    cut = prepared(tmp_path, (READ, LABEL), overlong=overlong)
    for split in ("train", "valid"):
        one, other = whole.split(split).columns["text"], cut.split(split).columns["text"]
        data = cut.manifest.data
        assert [shortened(one[row].tolist(), data) for row in range(len(one))] == [
            other[row].tolist() for row in range(len(other))
        ]
        assert cut.manifest.splits[split].notes["truncated_text"] == {"train": 40, "valid": 4}[split]
    assert cut.manifest.splits["train"].dropped == {}
    assert cut.split("valid").texts("text") == TEXTS[:7]


def test_what_models_should_write_is_dropped_where_it_is_longer_and_never_cut(tmp_path: Path) -> None:
    columns = (Column("question", read=True), Column("answer", read=False))
    data, counts = Data(max_tokens=4, overlong="cut_end"), Counts()
    encoded = {"question": [[1] * 9, [2] * 2], "answer": [[3], [4] * 9]}
    rows, tokens = Fit(columns, data).training([("q", "a"), ("r", "b")], encoded, counts)
    assert (rows, tokens) == ([("q", "a")], {"question": [[1] * 4], "answer": [[3]]})
    assert (counts.dropped, counts.notes) == ({"too_many_tokens": 1}, {"truncated_question": 1})
    assert Fit(columns, data).evaluation(encoded, Counts()) == {
        "question": [[1] * 4, [2] * 2],
        "answer": [[3], [4] * 9],
    }


def test_texts_that_are_windowed_are_neither_dropped_nor_cut(tmp_path: Path) -> None:
    found = prepared(tmp_path, (Column("text", read=False, windowed=True),), overlong="cut_end")
    for split, rows in (("train", 80), ("valid", 7)):
        column = found.split(split).columns["text"]
        assert found.tokenizer("text").decode([column[row].tolist() for row in range(rows)]) == TEXTS[:rows]
        assert (found.manifest.splits[split].dropped, found.manifest.splits[split].notes) == ({}, {})


def test_too_many_overlong_rows_are_refused_with_the_way_to_cut_them(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"longer than data\.max_tokens \(4\): raise it, cut .* -o data\.overlong=cut_end"
    ):
        prepared(tmp_path, (READ, LABEL), max_tokens=4)


def test_the_rule_is_part_of_the_identity_unless_it_is_the_default() -> None:
    rules = [Data(overlong=rule) for rule in ("drop", "cut_end", "cut_middle")]
    assert len({data_identity(data, "x", (READ,)) for data in rules}) == 3
    assert "overlong" not in comparable(Data(overlong="drop"))
    assert Counter(comparable(rules[0])) == Counter(comparable(Data()))
