"""What is wrong in a file is an error that names its place; what is fixed is counted."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FilesCorpus, HubCorpus
from intelligen.config.schema.split_forms import PairTable, ParallelText
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_files import FileRows
from intelligen.data.text_lines import read_lines
from intelligen.errors import ConfigError, DataError, StorageError

PARALLEL = ParallelText(source="a.en", target="a.de")


def corpus(folder: Path, files: ParallelText | PairTable = PARALLEL) -> FileRows:
    return FileRows(folder, {"train": files, "valid": files, "test": files}, SOURCE_AND_TARGET)


def parallel(folder: Path, source: bytes, target: bytes) -> FileRows:
    (folder / "a.en").write_bytes(source)
    (folder / "a.de").write_bytes(target)
    return corpus(folder)


def table(folder: Path, name: str, content: bytes) -> FileRows:
    (folder / name).write_bytes(content)
    return corpus(folder, PairTable(file=name))


def test_line_i_of_one_file_is_paired_with_line_i_of_the_other(tmp_path: Path) -> None:
    pairs = parallel(tmp_path, b"one\ntwo\n", "eins\nzwei ß".encode())
    assert list(pairs.rows("train")) == [("one", "eins"), ("two", "zwei ß")]


def test_gzip_files_read_like_plain_ones(tmp_path: Path) -> None:
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    (tmp_path / "a.de").write_bytes(b"eins\nzwei\n")
    pairs = corpus(tmp_path, ParallelText(source="a.en.gz", target="a.de"))
    assert list(pairs.rows("valid")) == [("one", "eins"), ("two", "zwei")]


def test_byte_order_mark_and_crlf_are_removed_and_counted(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    pairs = parallel(tmp_path, b"\xef\xbb\xbfone\r\ntwo\r\n", b"eins\nzwei\n")
    assert list(pairs.rows("train", notes)) == [("one", "eins"), ("two", "zwei")]
    assert notes == {"bom": 1, "crlf": 2}


def test_only_newlines_end_lines_and_all_other_characters_stay(tmp_path: Path) -> None:
    line = " a\u2028b\x85c\x0bd\re\tf  \ufeff"
    (tmp_path / "x.txt").write_bytes(f"first\n{line}\n\nlast\r".encode())
    assert list(read_lines(tmp_path / "x.txt", Counter())) == ["first", line, "", "last\r"]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_tsv_columns_are_found_by_the_header(tmp_path: Path, name: str) -> None:
    content = b'target\tid\tsource\n"eins\t1\tone "1"\n'
    pairs = table(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
    assert list(pairs.rows("train")) == [('one "1"', '"eins')]


def test_jsonl_fields_are_found_by_name(tmp_path: Path) -> None:
    lines = [{"source": "one", "target": "eins", "id": 1}, {"target": "zwei", "source": "two"}]
    pairs = table(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert list(pairs.rows("train")) == [("one", "eins"), ("two", "zwei")]


TRUNCATED = gzip.compress(b"one\n" + bytes(range(32, 127)) * 400)[:-20]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"fine\nbad \xff\n", "a.en:2:5: byte 0xff is not UTF-8; convert it, e.g. with iconv"),
        (b"fine\nok\nx\0\n", "a.en:3:2: a NUL character; is this a text file?"),
        ("hello\n".encode("utf-16"), "a.en:1:1: byte 0xff is not UTF-8; convert it, e.g. with iconv"),
    ],
)
def test_bytes_that_are_not_text_are_named_by_file_line_and_byte(tmp_path: Path, source: bytes, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message) + "$"):
        list(parallel(tmp_path, source, b"a\nb\nc\n").rows("train"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TRUNCATED, "x.gz:2: the gzip file is truncated here; copy it again"),
        (b"plain text\n", "x.gz:1: damaged gzip file (Not a gzipped file (b'pl')); copy it again"),
    ],
)
def test_damaged_gzip_is_an_error_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message) + "$"):
        list(read_lines(tmp_path / "x.gz", Counter()))


@pytest.mark.parametrize(("source_lines", "target_lines"), [(2, 1200), (1200, 2), (0, 1)])
def test_different_line_counts_are_both_named(tmp_path: Path, source_lines: int, target_lines: int) -> None:
    pairs = parallel(tmp_path, b"x\n" * source_lines, b"y\n" * target_lines)
    with pytest.raises(DataError) as caught:
        list(pairs.rows("train"))
    assert str(caught.value) == (
        f"{tmp_path}/a.en has {source_lines:,} lines, {tmp_path}/a.de has {target_lines:,}:"
        " line i of one must belong to line i of the other"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.tsv",
            "source\ttaget\na\tb\n",
            "t.tsv:1: no column `target` (there are source, taget); did you mean `taget`?",
        ),
        ("t.tsv", "source\ttarget\na\tb\nc\n", "t.tsv:3: 1 fields where the header has 2"),
        ("t.tsv", "source\ttarget\na\tb\tc\n", "t.tsv:2: 3 fields where the header has 2"),
        ("t.tsv", "", "t.tsv:1: no column `source` (there are none)"),
        ("t.jsonl", '{"source": "a", "target": "b"}\n{"source"\n', "t.jsonl:2: not JSON: Expecting ':' delimiter"),
        ("t.jsonl", "x\n", "t.jsonl:1: not JSON: Expecting value"),
        ("t.jsonl", '{"source": ' + "[" * 100_000, "t.jsonl:1: nested too deeply to be read as JSON"),
        (
            "t.jsonl",
            '{"source": ' + "1" * 5_000,
            "t.jsonl:1: a number of more than 4,300 digits; write it in quotation",
        ),
        ("t.jsonl", '["a", "b"]\n', "t.jsonl:1: must be a JSON object, got list"),
        ("t.jsonl", '{"source": "a"}\n', "t.jsonl:1: no field `target` (there are source)"),
        ("t.jsonl", '{"source": "a", "target": null}\n', "t.jsonl:1:target: must be text, got null"),
        ("t.jsonl", '{"source": "\\ud800", "target": "b"}\n', "t.jsonl:1:source: a NUL character or half a surrogate"),
    ],
)
def test_malformed_rows_are_named_by_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        list(table(tmp_path, name, content.encode()).rows("train"))


def test_missing_folder_and_file_name_the_path_and_the_fix(tmp_path: Path) -> None:
    fix = "name the folder that holds the files: -o data.corpus.folder=PATH"
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/none: no such folder; {fix}")):
        corpus(tmp_path / "none")
    (tmp_path / "a.en").touch()
    with pytest.raises(
        DataError, match=re.escape(f"{tmp_path}/a.de: no such file (`data.corpus.splits.train`); {fix}")
    ):
        corpus(tmp_path)


@pytest.mark.parametrize(("there", "meant"), [("as.de", True), ("a.den", False), ("train.de", False)])
def test_a_missing_file_is_named_with_the_one_beside_it_that_was_meant(tmp_path: Path, there: str, meant: bool) -> None:
    (tmp_path / "a.en").touch()
    (tmp_path / there).touch()
    with pytest.raises(DataError) as caught:
        corpus(tmp_path)
    assert str(caught.value).endswith(f'did you mean "{tmp_path / there}"?') is meant


def test_an_unreadable_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Is a directory"):
        list(read_lines(tmp_path, Counter()))


def test_a_table_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"its `format` must say .* got 'a\.txt'"):
        table(tmp_path, "a.txt", b"")


def test_rows_are_located_by_file_and_line(tmp_path: Path) -> None:
    assert parallel(tmp_path, b"a\n", b"b\n").locate("test", 0) == f"{tmp_path}/a.de:1"
    assert table(tmp_path, "t.tsv", b"source\ttarget\na\tb\n").locate("test", 0) == f"{tmp_path}/t.tsv:2"


def test_the_fingerprint_follows_the_content_and_not_the_path(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder in folders:
        folder.mkdir()
    one, two, other = (
        parallel(folder, b"a\n", target).fingerprint()
        for folder, target in zip(folders, (b"b\n", b"b\n", b"c\n"), strict=True)
    )
    assert one == two
    assert one != other


def test_the_fingerprint_follows_the_columns_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"source\ttarget\tx\na\tb\tc\n")
    one = corpus(tmp_path, PairTable(file="t.tsv"))
    other = corpus(tmp_path, PairTable(file="t.tsv", target_field="x"))
    assert one.fingerprint() != other.fingerprint()


def test_files_without_a_folder_come_from_their_hub() -> None:
    splits = dict.fromkeys(("train", "valid", "test"), PARALLEL)
    found = open_corpus(FilesCorpus(splits=splits, hub=HubCorpus(dataset="some/dataset")), SOURCE_AND_TARGET)
    assert found.locate("valid", 3) == "some/dataset[validation]:3"
