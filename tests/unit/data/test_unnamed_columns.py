"""A table without a header row: `columns` names what its rows hold, and what messages say to type works."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from intelligen.cli.new_test_set_option import new_test_sets
from intelligen.config.files.overrides import parse_override
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column
from intelligen.config.schema.data import Data
from intelligen.config.schema.split_forms import PairTable
from intelligen.data.corpus_files import FileRows
from intelligen.data.new_test_set import NewTestSet
from intelligen.errors import ConfigError, DataError

PAIRS = [("an ape", "ein Affe"), ("a bee", "eine Biene")]
LABELLED = (Column("text", read=True), Column("label", read=False, kind="label"))


def rows(folder: Path, text: str, task: tuple[Column, ...] = SOURCE_AND_TARGET, **settings: object) -> FileRows:
    file = str(settings.pop("file", "t.tsv"))
    (folder / file).write_text(text, encoding="utf-8")
    return FileRows(folder, {"train": PairTable.model_validate({"file": file, **settings})}, task)


@pytest.mark.parametrize(
    ("file", "text", "columns"),
    [
        ("t.tsv", "an ape\tein Affe\n\na bee\teine Biene\n", ["source", "target"]),
        ("t.tsv", "1\tein Affe\tan ape\n2\teine Biene\ta bee\n", ["id", "target", "source"]),
        ("t.csv", '"an\nape",ein Affe\n\na bee,"eine Biene"\n', ["source", "target"]),
    ],
)
def test_the_first_row_is_text_where_the_settings_name_the_columns(
    tmp_path: Path, file: str, text: str, columns: list[str]
) -> None:
    found, notes = rows(tmp_path, text, file=file, columns=columns), Counter[str]()
    assert list(found.rows("train", notes)) == PAIRS
    assert notes["blank_lines"] == ("\n\n" in text)
    assert found.locate("train", 0) == f"{tmp_path}/{file}:{2 if file == 't.csv' else 1}"


@pytest.mark.parametrize(
    ("text", "settings", "counted"),
    [
        ("Source\tTARGET\nan ape\tein Affe\n", {}, 1),
        ("en\tde\nan ape\tein Affe\n", {}, 1),
        ('"source_text","target_text"\nan ape,ein Affe\n', {"file": "t.csv"}, 1),
        ("7\tEnglish\tGerman\n8\tan ape\tein Affe\n", {"columns": ["id", "source", "target"]}, 1),
        ("an ape\tein Affe\nsrc\ttgt\n", {}, 0),
        ("no\tno\n", {}, 0),
        ("text\tein Text\n", {}, 0),
        ("src\ttgt\nan ape\tein Affe\n", {"columns": None, "fields": {"source": "src", "target": "tgt"}}, 0),
    ],
)
def test_a_first_row_that_looks_like_a_header_is_counted(
    tmp_path: Path, text: str, settings: dict[str, object], counted: int
) -> None:
    notes = Counter[str]()
    list(rows(tmp_path, text, **{"columns": ["source", "target"], **settings}).rows("train", notes))
    assert notes["header_as_row"] == counted


def test_other_fields_of_the_task_are_found_by_these_names(tmp_path: Path) -> None:
    found = rows(tmp_path, "1\tgood\n0\tbad\n", LABELLED, columns=["label", "document"], fields={"text": "document"})
    assert list(found.rows("train")) == [("good", "1"), ("bad", "0")]


def test_other_names_are_other_data(tmp_path: Path) -> None:
    text = "an ape\tein Affe\n"
    prints = [
        rows(tmp_path, text, columns=columns).fingerprint()
        for columns in (["source", "target"], ["target", "source"], ["source", "target"])
    ]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("a\tb\tc\n", {"columns": ["source", "target"]}, "t.tsv:1: 3 fields where `columns` names 2"),
        ("a,b\nc\n", {"columns": ["source", "target"], "file": "t.csv"}, "t.csv:2: 1 fields where `columns` names 2"),
        (
            "source\ttarget\na\tb\n",
            {"columns": ["source", "target"]},
            "t.tsv:1: the first row names the columns itself",
        ),
        (
            "a\tb\n",
            {"columns": ["source", "taget"]},
            "no column `target` (there are source, taget); did you mean `taget`?",
        ),
    ],
)
def test_what_does_not_fit_the_names_is_refused(
    tmp_path: Path, text: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        list(rows(tmp_path, text, **settings).rows("train"))


def test_names_are_refused_where_records_have_their_own_and_where_two_are_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns is for \.tsv and \.csv files; remove it"):
        rows(tmp_path, '{"source": "a", "target": "b"}\n', file="t.jsonl", columns=["source", "target"])
    with pytest.raises(ValueError, match="the column source occurs twice"):
        PairTable(file="t.tsv", columns=["source", "source"])


@pytest.mark.parametrize("text", ["an ape\tein Affe\n", "an ape\tein Affe\tit's odd\n"])
def test_a_file_without_a_header_is_read_with_the_option_that_its_message_names(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"t\.tsv:1: no column `source`") as refused:
        list(rows(tmp_path, text).rows("train"))
    (_, typed) = shlex.split(str(refused.value).rpartition("in their order: ")[2])
    override = parse_override(typed)
    assert override.key == "data.corpus.splits.train.columns"
    assert list(rows(tmp_path, text, columns=override.value).rows("train")) == PAIRS[:1]


def test_a_new_test_set_without_a_header_is_read_with_the_option_that_its_message_names(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("an ape\tein Affe\n")
    with pytest.raises(DataError, match=r"new\.tsv:1: no column `source`") as refused:
        list(NewTestSet("new", (tmp_path / "new.tsv",))._rows(Data(), SOURCE_AND_TARGET).rows("new"))
    (_, typed) = shlex.split(str(refused.value).rpartition("in their order: ")[2])
    (again,) = new_test_sets((typed.replace("NAME=", "new="),))
    assert list(again._rows(Data(), SOURCE_AND_TARGET).rows("new")) == PAIRS[:1]


@pytest.mark.parametrize("name", ["new.tsv", "new.jsonl"])
def test_a_new_test_set_has_the_columns_of_the_experiments_own(tmp_path: Path, name: str) -> None:
    table = {"file": "pairs.tsv", "columns": ["source", "target"]}
    splits = dict.fromkeys(("train", "valid", "test"), table)
    data = Data.model_validate({"corpus": {"name": "files", "folder": str(tmp_path), "splits": splits}})
    record = '{"source": "an ape", "target": "ein Affe"}\n'
    (tmp_path / name).write_text(record if name.endswith("jsonl") else "an ape\tein Affe\n")
    found = NewTestSet("new", (tmp_path / name,))._rows(data, SOURCE_AND_TARGET)
    assert list(found.rows("new")) == PAIRS[:1]
