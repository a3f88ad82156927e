"""One text is one line to every reader, and what is no text is an error with its place."""

import json
from collections import Counter
from pathlib import Path

import datasets
import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Corpus, FilesCorpus, HubCorpus
from intelligen.config.schema.split_forms import PairTable, ParallelText
from intelligen.data.corpora import open_corpus
from intelligen.data.text_lines import decoded_lines, one_line
from intelligen.errors import DataError

BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("mark", BREAKS)
def test_a_line_break_inside_a_text_becomes_a_space(mark: str) -> None:
    notes: Counter[str] = Counter()
    assert one_line(f"one{mark}two", notes) == "one two"
    assert one_line(f"{mark}one two{mark}", notes) == "one two"
    assert notes == {"line_breaks": 2}
    assert len(one_line(f"one{mark}two{mark}{mark}three", notes).splitlines()) == 1


def test_other_characters_stay() -> None:
    notes: Counter[str] = Counter()
    text = " a\tb\u00a0c\u200bd  ﻿"
    assert one_line(text, notes) == text
    assert not notes


PAIRS = [("one\ntwo", "eins"), ("three", "drei\u2028vier"), ("five\r", "fünf"), ("six", "sechs\x1c")]
READ = [("one two", "eins"), ("three", "drei vier"), ("five", "fünf"), ("six", "sechs")]


def written(folder: Path, reader: str) -> Corpus:
    """The pairs as each reader finds them, as far as its form can hold them."""
    if reader == "hub":
        rows = datasets.Dataset.from_list([{"source": source, "target": target} for source, target in PAIRS])
        datasets.DatasetDict(train=rows, validation=rows, test=rows).save_to_disk(folder / "saved")
        return HubCorpus(dataset=str(folder / "saved"), source_field="source", target_field="target")
    if reader == "jsonl":
        lines = [json.dumps({"source": source, "target": target}) for source, target in PAIRS]
    elif reader == "csv":
        lines = ["source\ttarget", *(f'"{source}"\t"{target}"' for source, target in PAIRS)]
    else:  # a newline would be another line
        lines = ["source\ttarget", *(f"{source}\t{target}".replace("\n", "\v") for source, target in PAIRS)]
    table = PairTable(file=f"t.{'jsonl' if reader == 'jsonl' else 'tsv'}", quoting="csv" if reader == "csv" else None)
    (folder / table.file).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    if reader != "parallel":
        return FilesCorpus(folder=str(folder), splits=dict.fromkeys(("train", "valid", "test"), table))
    for side, name in enumerate(("a.en", "a.de")):
        text = "\n".join(pair[side].replace("\n", "\v") for pair in PAIRS)
        (folder / name).write_text(text + "\n", encoding="utf-8", newline="")
    files = ParallelText(source="a.en", target="a.de")
    return FilesCorpus(folder=str(folder), splits=dict.fromkeys(("train", "valid", "test"), files))


@pytest.mark.parametrize("reader", ["jsonl", "hub", "csv", "tsv", "parallel"])
def test_all_readers_give_one_line_for_each_text_and_count_alike(tmp_path: Path, reader: str) -> None:
    notes: Counter[str] = Counter()
    assert list(open_corpus(written(tmp_path, reader), SOURCE_AND_TARGET).rows("train", notes)) == READ
    # At the end of a line of a file, \r belongs to the line's end.
    ends = 1 if reader == "parallel" else 0
    assert (notes["line_breaks"], notes["crlf"]) == (4 - ends, ends)


def test_lines_of_a_stream_follow_the_rules_of_files() -> None:
    notes: Counter[str] = Counter()
    stream = [b"\xef\xbb\xbfone\r\n", "zwei ü\n".encode(), b"\n", b"last"]
    assert list(decoded_lines(stream, "standard input", notes)) == ["one", "zwei ü", "", "last"]
    assert notes == {"bom": 1, "crlf": 1}


def test_lines_before_a_bad_byte_are_read() -> None:
    lines = decoded_lines([b"one\n", b"tw\xff\n", b"three\n"], "standard input", Counter())
    assert next(lines) == "one"
    with pytest.raises(DataError, match=r"^standard input:2:3: byte 0xff is not UTF-8; convert it, e\.g\. with iconv$"):
        next(lines)
