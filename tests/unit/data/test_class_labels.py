"""Label columns: one class index a row, by the training split's labels; a row that cannot be told is refused."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column, Row
from intelligen.config.schema.data import Data, Filters, Tokenizer
from intelligen.data.data_manifest import MANIFEST
from intelligen.data.data_summary import describe
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.preparation import data_identity, prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import DataError

COLUMNS = (Column("text", read=True), Column("label", read=False, kind="label"))
TRAIN: list[Row] = [(f"Ape {n % 9} and bee {n}", "10 " if n % 3 else "9") for n in range(120)]


class Reviews:
    """Labelled texts in memory."""

    splits = ("train", "valid", "test")
    key = "data.corpus"

    def __init__(self, **splits: Sequence[Row]) -> None:
        self._rows = {"train": TRAIN, "valid": TRAIN[:4], "test": TRAIN[:2], **splits}

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        return iter(self._rows[split])

    def locate(self, split: str, row: int) -> str:
        return f"{split}.tsv:{row + 1}"

    def fingerprint(self) -> str:
        return "reviews"


def prepared(
    store: Path, monkeypatch: pytest.MonkeyPatch, data: Data | None = None, **splits: Sequence[Row]
) -> Prepared:
    monkeypatch.setattr("intelligen.data.preparation.open_corpus", lambda *_: Reviews(**splits))
    data = data or Data(tokenizer=Tokenizer(vocabulary=30), max_tokens=20)
    return open_prepared(prepare(data, store, columns=COLUMNS).directory)


def tokens(found: Prepared, split: str, column: str) -> list[list[int]]:
    rows = found.split(split).columns[column]
    return [rows[row].tolist() for row in range(len(rows))]


def test_each_row_has_the_index_of_its_class_among_the_sorted_labels_of_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Data(lowercase=True, tokenizer=Tokenizer(vocabulary=30), max_tokens=20)
    found = prepared(tmp_path, monkeypatch, data, valid=[("ape", "9"), ("bee", " 10")])
    assert found.classes("label") == ("10", "9")  # sorted as text
    assert tokens(found, "train", "label") == [[int(n % 3 == 0)] for n in range(120)]
    assert tokens(found, "valid", "label") == [[1], [0]]
    assert found.split("valid").texts("label") == ["9", "10"]
    report = found.manifest.splits["train"].columns["label"]
    assert (report.tokens, report.unknown, report.longest, report.of_classes) == (120, 0, 1, (80, 40))
    assert "  label: 2 classes: 10 in 80 rows, 9 in 40 rows" in describe(found)


def test_a_label_has_no_vocabulary_and_teaches_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = [(text, "ÄÖÜ" if n % 2 else "ß") for n, (text, _) in enumerate(TRAIN)]
    found = prepared(tmp_path, monkeypatch, train=labelled, valid=labelled[:3], test=labelled[:2])
    assert list(found.vocabularies) == ["text"]
    assert not {*"ÄÖÜß"} & {*"".join(found.tokenizer("text").pieces)}


def test_labels_are_neither_lower_cased_nor_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(text, "Bad" if n % 2 else "G" * 30) for n, (text, _) in enumerate(TRAIN)]
    filters = Filters(min_characters=5, max_characters=25, max_length_difference=3)
    data = Data(lowercase=True, filters=filters, tokenizer=Tokenizer(vocabulary=30), max_tokens=20)
    found = prepared(tmp_path, monkeypatch, data, train=rows, valid=rows[:3], test=rows[:2])
    assert found.classes("label") == ("Bad", "G" * 30)
    assert found.manifest.splits["train"].kept == len(rows)


def test_an_empty_text_is_a_row_like_others_in_every_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*TRAIN, ("", "9"), ("  ", "9")]
    found = prepared(tmp_path, monkeypatch, train=rows, test=[("", "9"), ("ape", "10")])
    assert {split: report.kept for split, report in found.manifest.splits.items()} == {
        "train": 122,
        "valid": 4,
        "test": 2,
    }
    assert tokens(found, "train", "text")[120] == tokens(found, "test", "text")[0] == []
    assert found.manifest.splits["test"].notes == {"empty_text": 1}


def test_a_lower_bound_leaves_out_empty_texts_of_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(filters=Filters(min_characters=2), tokenizer=Tokenizer(vocabulary=30))
    found = prepared(tmp_path, monkeypatch, data, train=[*TRAIN, ("", "9")])
    assert found.manifest.splits["train"].dropped == {"too_short": 1}


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_row_without_a_label_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    rows = {split: [*TRAIN[:5], ("ape", " ")]}
    with pytest.raises(DataError, match=rf"^{split}\.tsv:6: a row without a label in split `{split}`; fix or remove"):
        prepared(tmp_path, monkeypatch, **rows)


def test_a_label_that_training_never_shows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as refused:
        prepared(tmp_path, monkeypatch, test=[("ape", "9"), ("bee", "1")])
    assert (refused.value.exit_code, str(refused.value)) == (
        65,
        "test.tsv:2: label `1` in split `test` is in no training row (there are 10, 9); did you mean `10`?;"
        " fix or remove the row, or give train rows that have it",
    )


def test_a_label_of_rows_that_the_filters_leave_out_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Data(filters=Filters(min_characters=5), tokenizer=Tokenizer(vocabulary=30))
    with pytest.raises(DataError, match=r"^valid\.tsv:1: label `8` in split `valid` is in no training row"):
        prepared(tmp_path, monkeypatch, data, train=[*TRAIN, ("ape", "8")], valid=[("ape and bee", "8")])


def test_one_class_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"^train\.tsv:1: label is `9` in all training rows .* two classes"):
        prepared(tmp_path, monkeypatch, train=[(text, "9") for text, _ in TRAIN])


def test_a_class_whose_rows_are_all_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [("ape " * 60, "8")]
    with pytest.raises(DataError, match=r"^label `8`: all its training rows are longer than data.max_tokens \(20\)"):
        prepared(tmp_path, monkeypatch, train=TRAIN + long)


def test_inputs_in_two_splits_are_found_by_their_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TRAIN[0][0]
    found = prepared(tmp_path, monkeypatch, valid=[("new", "9")], test=[(text, "9"), (text, "10"), ("other", "9")])
    (overlap,) = found.manifest.overlaps or ()
    assert (overlap.split, overlap.pairs, overlap.sources, overlap.distinct) == ("test", 1, 2, 1)
    shared = "in two splits: 1 of the 3 rows of test are in train too, and 2 of its inputs (1 different ones)"
    assert shared in describe(found)


def test_data_without_labels_say_nothing_of_classes(tiny_store: tuple[Path, str]) -> None:
    store, identity = tiny_store
    text = (store / "prepared" / identity / MANIFEST).read_text()
    assert "classes" not in text


def test_the_kind_of_a_column_is_part_of_the_identity() -> None:
    as_text = tuple(Column(column.name, read=column.read) for column in COLUMNS)
    windowed = (Column("text", read=False, windowed=True),)
    columns = [SOURCE_AND_TARGET, COLUMNS, as_text, windowed, (Column("text", read=False),)]
    assert len({data_identity(Data(), "fingerprint", one) for one in columns}) == 5


def test_a_new_test_set_is_labelled_by_the_classes_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = prepared(tmp_path, monkeypatch)
    for name, label in (("known", "9"), ("new", "8")):
        (tmp_path / f"{name}.csv").write_text(f'text,label\n"ape, bee",10\nape,{label}\n')
    with NewTestSet("known", (tmp_path / "known.csv",)).encoded(found, COLUMNS) as (split, _):
        assert [split.columns["label"][row].tolist() for row in (0, 1)] == [[0], [1]]
    with (
        pytest.raises(DataError, match=r"new\.csv:3: label `8` in split `new` is in no training row"),
        NewTestSet("new", (tmp_path / "new.csv",)).encoded(found, COLUMNS),
    ):
        pass


def test_of_many_classes_the_first_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(text, f"c{number:03}") for number, (text, _) in enumerate(TRAIN)]
    found = prepared(tmp_path, monkeypatch, train=rows, valid=rows[:3], test=rows[:2])
    (line,) = [line for line in describe(found) if "120 classes" in line and "c000 in 1 rows" in line][:1]
    assert line.endswith("c009 in 1 rows, 110 more")
    with pytest.raises(DataError, match=r"\(there are c000, .*, c019 and 100 more\); did you mean `c119`\?"):
        prepared(tmp_path / "other", monkeypatch, train=rows, valid=rows[:3], test=[("ape", "c1190")])
