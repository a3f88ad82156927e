"""Each form of a split: tables of any kind, a file for each column, folders of texts, documents."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import datasets
import pytest

from intelligen.config.load import load_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column, Row
from intelligen.config.schema.data import HubCorpus
from intelligen.config.schema.split_forms import Documents, LineFiles, PairTable, ParallelText, SplitFiles, TextFolder
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_files import FileRows
from intelligen.data.huggingface import HubRows
from intelligen.errors import ConfigError, DataError

TEXT = (Column("text", read=True),)
LABELLED = (*TEXT, Column("label", read=False, kind="label"))


def rows_of(folder: Path, files: SplitFiles, columns: tuple[Column, ...] = LABELLED) -> list[Row]:
    return list(FileRows(folder, {"train": files}, columns).rows("train"))


RFC_4180 = b'text,label,"odd, name"\r\n"a, ""b""",1,x\r\n"two\r\nlines",0,\r\nplain,1,y\r\n'


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.txt"])
def test_a_csv_file_is_read_as_rfc_4180_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(RFC_4180) if name.endswith("gz") else RFC_4180)
    table = PairTable(file=name, format="csv" if name == "t.txt" else None)
    found, notes = FileRows(tmp_path, {"train": table}, LABELLED), Counter[str]()
    assert list(found.rows("train", notes)) == [('a, "b"', "1"), ("two lines", "0"), ("plain", "1")]
    assert notes == {"crlf": 5, "line_breaks": 1}
    assert found.locate("train", 1) == f"{tmp_path}/{name}:4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b,c\n", "t.csv:2: 3 fields where the header has 2"),
        ('text,label\n"a"b,c\n', "t.csv:2: not CSV: "),
        (
            "text,klass\na,b\n",
            "t.csv:1: no column `label` (there are text, klass); the first line must name the columns, and"
            " -o data.corpus.splits.train.fields.label=NAME says which one is the label",
        ),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        rows_of(tmp_path, PairTable(file="t.csv"))


def test_quoting_of_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n")
    with pytest.raises(ConfigError, match=r"quoting is for \.tsv files"):
        rows_of(tmp_path, PairTable(file="t.csv", quoting="csv"))


def test_the_format_says_what_a_file_of_another_ending_is(tmp_path: Path) -> None:
    (tmp_path / "ratings_train.txt").write_text('id\tdocument\tlabel\n1\t"""Good"""\t1\n2\tbad\t0\n')
    named = {"text": "document"}
    quoted = PairTable(file="ratings_train.txt", format="tsv", quoting="csv", fields=named)
    assert rows_of(tmp_path, quoted) == [('"Good"', "1"), ("bad", "0")]
    with pytest.raises(ConfigError, match=r"its `format` must say .*got 'ratings_train\.txt'"):
        rows_of(tmp_path, PairTable(file="ratings_train.txt", fields=named))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (1, "1"),
        (0, "0"),
        (-3, "-3"),
        (True, "true"),
        (False, "false"),
        (1.0, "1"),
        (4.5, "4.5"),
        ("pos", "pos"),
    ],
)
def test_labels_that_are_numbers_are_text_in_jsonl_and_on_the_hub(tmp_path: Path, value: object, label: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"document": "a", "label": value}) + "\n")
    datasets.Dataset.from_list([{"document": "a", "label": value}]).save_to_disk(tmp_path / "saved")
    fields = {"text": "document"}
    hub = HubRows(HubCorpus(dataset=str(tmp_path / "saved"), fields=fields), LABELLED)
    assert rows_of(tmp_path, PairTable(file="t.jsonl", fields=fields)) == list(hub.rows("train")) == [("a", label)]


def test_a_label_may_be_a_number_of_hundreds_of_digits(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "a", "label": 10**400}) + "\n")
    assert rows_of(tmp_path, PairTable(file="t.jsonl")) == [("a", "1" + "0" * 400)]


@pytest.mark.parametrize("value", ["null", "NaN", "[1]", '{"a": 1}'])
def test_a_label_that_is_neither_text_nor_a_number_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "t.jsonl").write_text(f'{{"text": "a", "label": "b"}}\n{{"text": "a", "label": {value}}}\n')
    with pytest.raises(DataError, match=r"t\.jsonl:2:label: must be text or a number, got "):
        rows_of(tmp_path, PairTable(file="t.jsonl"))


def test_a_text_that_is_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": 1, "label": "b"}\n')
    with pytest.raises(DataError, match=r"t\.jsonl:1:text: must be text, got 1"):
        rows_of(tmp_path, PairTable(file="t.jsonl"))


def test_fields_name_source_and_target_too(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("en\tde\ttarget\na\tb\tc\n")
    table = PairTable(file="t.tsv", fields={"source": "en"}, target_field="de")
    assert rows_of(tmp_path, table, SOURCE_AND_TARGET) == [("a", "b")]


def test_a_field_of_any_column_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tdocument\tlabel\na\tb\t1\n")
    (tmp_path / "t.txt").write_text("text\tdocument\tlabel\na\tb\t1\n")
    tables = [
        PairTable(file="t.tsv"),
        PairTable(file="t.tsv", fields={"text": "document"}),
        PairTable(file="t.txt", format="tsv"),
    ]
    usual, renamed, formatted = [FileRows(tmp_path, {"train": table}, LABELLED).fingerprint() for table in tables]
    assert usual == formatted != renamed


def test_one_file_is_enough_for_a_task_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\n\ntwo\n")
    found = FileRows(tmp_path, {"train": LineFiles(lines={"text": "t.txt", "label": "none.txt"})}, TEXT)
    assert list(found.rows("train")) == [("one",), ("",), ("two",)]
    assert found.locate("train", 2) == f"{tmp_path}/t.txt:3"


def test_a_file_for_each_column_is_read_as_parallel_text_is(tmp_path: Path) -> None:
    for name, text in (("a", "one\ntwo\n"), ("b", "1\n2\n"), ("short", "1\n")):
        (tmp_path / name).write_text(text)
    lines = LineFiles(lines={"source": "a", "target": "b"})
    pair = ParallelText(source="a", target="b")
    both = [FileRows(tmp_path, {"train": files}, SOURCE_AND_TARGET) for files in (lines, pair)]
    assert list(both[0].rows("train")) == list(both[1].rows("train")) == [("one", "1"), ("two", "2")]
    assert both[0].fingerprint() == both[1].fingerprint()
    with pytest.raises(DataError, match=r"short has 1: line i of one must belong to line i of the other"):
        rows_of(tmp_path, LineFiles(lines={"text": "a", "label": "short"}))


def write_reviews(folder: Path) -> None:
    """As aclImdb is published."""
    texts = {"pos/1_9": "good\n", "pos/0_10": "very\r\ngood", "neg/0_1": "bad<br />film", "unsup/0_0": "?"}
    for name, text in texts.items():
        path = folder / "train" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / "train" / "urls_pos.txt").write_text("http://…\n")
    (folder / "train" / "labeledBow.feat").write_text("9 0:1\n")


def test_the_subfolder_of_a_text_is_its_label(tmp_path: Path) -> None:
    write_reviews(tmp_path)
    found = FileRows(tmp_path, {"train": TextFolder(folder="train", labels=["pos", "neg"])}, LABELLED)
    notes: Counter[str] = Counter()
    rows = [("bad<br />film", "neg"), ("very good", "pos"), ("good", "pos")]
    assert list(found.rows("train", notes)) == rows
    assert notes == {"crlf": 1, "line_breaks": 1}
    assert found.locate("train", 1) == f"{tmp_path}/train/pos/0_10.txt:1"
    assert [label for _, label in rows_of(tmp_path, TextFolder(folder="train"))] == ["neg", "pos", "pos", "unsup"]


def test_a_folder_has_the_fingerprint_of_its_texts_and_labels(tmp_path: Path) -> None:
    def fingerprint(folder: Path, columns: tuple[Column, ...] = LABELLED) -> str:
        return FileRows(folder, {"train": TextFolder(folder="train", labels=["pos", "neg"])}, columns).fingerprint()

    for name in ("one", "other"):
        write_reviews(tmp_path / name)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "other")
    (tmp_path / "other" / "train" / "neg" / "0_1.txt").rename(tmp_path / "other" / "train" / "pos" / "00.txt")
    (tmp_path / "other" / "train" / "neg" / "1.txt").write_text("bad<br />film")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "other")


def test_texts_without_labels_may_lie_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"two"))
    (tmp_path / "c.md").write_text("three")
    assert rows_of(tmp_path, TextFolder(folder="."), TEXT) == [("one",), ("two",)]


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        ((), {"folder": "train"}, r"/train: no such folder"),
        (("train/",), {"folder": "train"}, r"/train: has no subfolders: the name of the one that holds a text is its"),
        (("train/pos/1.txt", "train/neg/"), {"folder": "train"}, r"/train/neg: a folder without texts; there must be"),
        (
            ("train/pos/1.txt", "train/neg/1.txt"),
            {"folder": "train", "labels": ["pos", "neq"]},
            r"/train/neq: no such folder \(there are neg, pos\); did you mean `neg`\?",
        ),
    ],
)
def test_a_folder_without_texts_is_refused(
    tmp_path: Path, made: tuple[str, ...], settings: dict[str, object], message: str
) -> None:
    for name in made:
        path = tmp_path / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("text")
    with pytest.raises(DataError, match=message) as refused:
        rows_of(tmp_path, TextFolder.model_validate(settings))
    assert refused.value.exit_code == 65


def test_a_folder_of_texts_alone_has_none_for_a_task_without_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder without texts"):
        rows_of(tmp_path, TextFolder(folder="."), TEXT)


@pytest.mark.parametrize("name", ["wiki.txt", "wiki.txt.gz"])
def test_documents_have_empty_lines_between_them(tmp_path: Path, name: str) -> None:
    text = "\n Title\nfirst  line\n\n  \nOther\nsecond\n third \n\n\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    found, notes = FileRows(tmp_path, {"train": Documents(documents=name)}, TEXT), Counter[str]()
    assert list(found.rows("train", notes)) == [("Title first  line",), ("Other second third",)]
    assert notes == {}
    assert [found.locate("train", row) for row in (0, 1)] == [f"{tmp_path}/{name}:2", f"{tmp_path}/{name}:6"]


def test_the_last_document_needs_no_empty_line_behind_it(tmp_path: Path) -> None:
    (tmp_path / "wiki.txt").write_text("a\n\nb\nc")
    found = FileRows(tmp_path, {"train": Documents(documents="wiki.txt")}, TEXT)
    assert (list(found.rows("train")), found.locate("train", 1)) == ([("a",), ("b c",)], f"{tmp_path}/wiki.txt:3")


def test_documents_are_other_data_than_lines(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\n")
    forms: list[SplitFiles] = [Documents(documents="t.txt"), LineFiles(lines={"text": "t.txt"})]
    assert len({FileRows(tmp_path, {"train": form}, TEXT).fingerprint() for form in forms}) == 2


EXPERIMENT = """
version: 1
name: small
data:
  corpus:
    name: files
    folder: .
    splits:
      train: {file: t.tsv}
      valid: {source: a, target: b}
      test: {source: a, target: b}
"""


@pytest.mark.parametrize("corpus", ["files", "hub"])
def test_the_fix_for_a_field_of_another_name_works_as_it_is_printed(tmp_path: Path, corpus: str) -> None:
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    (tmp_path / "t.tsv").write_text("src\ttarget\na\tb\n")
    (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    datasets.Dataset.from_list([{"src": "a", "target": "b"}]).save_to_disk(tmp_path / "saved")
    splits = "{train: train, valid: train, test: train}"
    hub = f"data.corpus={{name: hub, dataset: {tmp_path}/saved, target_field: target, splits: {splits}}}"
    given = [hub] if corpus == "hub" else []

    def rows(*overrides: str) -> list[Row]:
        found = load_experiment(tmp_path / "e.yaml", [*given, *overrides]).data.corpus
        return list(open_corpus(found, SOURCE_AND_TARGET).rows("train"))

    with pytest.raises(DataError, match="says which one is the source") as refused:
        rows()
    (fix,) = re.findall(r"-o (\S+)=NAME", str(refused.value))
    assert rows(f"{fix}=src") == [("a", "b")]


BLANK_ENDS = {"both": ("a\nb\n\n", "A\nB\n \n", 2), "one": ("a\nb\n\n\n", "A\nB\n", 2), "none": ("a\nb\n", "A\nB", 0)}


@pytest.mark.parametrize("ends", BLANK_ENDS)
def test_blank_lines_at_the_end_of_text_files_are_no_rows_and_are_counted(tmp_path: Path, ends: str) -> None:
    source, target, count = BLANK_ENDS[ends]
    (tmp_path / "a.en").write_text(source)
    (tmp_path / "a.de").write_text(target)
    found, notes = (
        FileRows(tmp_path, {"test": ParallelText(source="a.en", target="a.de")}, SOURCE_AND_TARGET),
        Counter(),
    )
    assert list(found.rows("test", notes)) == [("a", "A"), ("b", "B")]
    assert notes == ({"trailing_blank_lines": count} if count else {})


@pytest.mark.parametrize(
    ("source", "target", "counts"),
    [("a\n\nb\n", "A\n\n\n", None), ("a\n\nb\n", "A\n", (3, 1)), ("a\n\nb\nc\n", "A\n\n", (4, 2))],
)
def test_a_blank_line_that_is_not_at_the_end_of_all_files_belongs_to_a_row(
    tmp_path: Path, source: str, target: str, counts: tuple[int, int] | None
) -> None:
    (tmp_path / "a.en").write_text(source)
    (tmp_path / "a.de").write_text(target)
    files = ParallelText(source="a.en", target="a.de")
    if counts is None:
        assert rows_of(tmp_path, files, SOURCE_AND_TARGET) == [("a", "A"), ("", ""), ("b", "")]
        return
    said = f"a.en has {counts[0]} lines, {tmp_path}/a.de has {counts[1]}: line i"
    with pytest.raises(DataError, match=re.escape(said)):
        rows_of(tmp_path, files, SOURCE_AND_TARGET)
