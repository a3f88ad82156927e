"""Tables of pairs: quotation marks, blank lines and nested fields follow rules that the settings can change."""

import json
import re
from collections import Counter
from pathlib import Path

import datasets
import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import HubCorpus
from intelligen.config.schema.split_forms import PairTable
from intelligen.data.corpus_files import FileRows
from intelligen.data.huggingface import HubRows
from intelligen.errors import ConfigError, DataError


def corpus(folder: Path, table: PairTable) -> FileRows:
    return FileRows(folder, dict.fromkeys(("train", "valid", "test"), table), SOURCE_AND_TARGET)


def tsv(folder: Path, text: str, **settings: str) -> FileRows:
    (folder / "t.tsv").write_text(text, encoding="utf-8")
    return corpus(folder, PairTable.model_validate({"file": "t.tsv", **settings}))


def jsonl(folder: Path, *records: object, **settings: str) -> FileRows:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return corpus(folder, PairTable.model_validate({"file": "t.jsonl", **settings}))


QUOTED = 'source\ttarget\n"a\tb"\t"c ""d"""\n"e"\t"f"\n'


def test_quoted_fields_are_read_as_csv_where_the_settings_say_so(tmp_path: Path) -> None:
    pairs = tsv(tmp_path, QUOTED, quoting="csv")
    assert list(pairs.rows("train")) == [("a\tb", 'c "d"'), ("e", "f")]


@pytest.mark.parametrize(
    "text",
    [
        'source\ttarget\n"a"\t"b"\n"c"\t"d"\n',
        'source\ttarget\n"a"\t"b"\n"c"\t"d\te"\n',
        '"source"\t"target"\n"a"\t"b"\n',
        "source\ttarget\n" + '"a"\t"b"\n' * 9 + 'a\t"b"\n',
    ],
)
def test_a_table_whose_fields_are_quoted_is_refused_with_the_fix(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError) as caught:
        list(tsv(tmp_path, text).rows("valid"))
    assert re.search(r"t\.tsv: \d+ of \d+ fields are in quotation marks", str(caught.value))
    assert "-o data.corpus.splits.valid.quoting=csv" in str(caught.value)
    list(tsv(tmp_path, text, quoting="csv").rows("valid"))


def test_quotation_marks_are_text_where_fewer_fields_have_them_or_the_settings_say_so(tmp_path: Path) -> None:
    few = 'source\ttarget\n"a"\t"b"\n"c"\td\n'
    assert list(tsv(tmp_path, few).rows("train")) == [('"a"', '"b"'), ('"c"', "d")]
    all_quoted = 'source\ttarget\n"a"\t"b"\n'
    assert list(tsv(tmp_path, all_quoted, quoting="none").rows("train")) == [('"a"', '"b"')]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source\ttarget\n"a\tb\n', "t.tsv:2: not CSV: unexpected end of data"),
        ('source\ttarget\n"a"x\tb\n', "t.tsv:2: not CSV: "),
        ('source\ttarget\n"a\nb"\tc\nd\n', "t.tsv:4: 1 fields where the header has 2"),
        ("a\tb\n", "t.tsv:1: no column `source`"),
        ("source\ttarget\n" + '"' + "x" * 200_000 + '"\ty\n', "t.tsv:2: not CSV: field larger than field limit"),
    ],
)
def test_what_is_not_csv_is_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        list(tsv(tmp_path, text, quoting="csv").rows("train"))


def test_quoting_changes_the_fingerprint_only_where_it_changes_what_is_read(tmp_path: Path) -> None:
    plain, text, parsed = (tsv(tmp_path, QUOTED, **({"quoting": q} if q else {})) for q in (None, "none", "csv"))
    assert plain.fingerprint() == text.fingerprint() != parsed.fingerprint()


def test_quoting_of_jsonl_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"quoting is for \.tsv files"):
        jsonl(tmp_path, {"source": "a", "target": "b"}, quoting="csv")


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    rows = "a\tb\n\nc\td\n\n  \n"
    row = {"source": "a", "target": "b"}
    for pairs, count in (
        (tsv(tmp_path, f"source\ttarget\n{rows}"), 2),
        (tsv(tmp_path, f"source\ttarget\n{rows}", quoting="csv"), 2),
        (jsonl(tmp_path, row, "", {"source": "c", "target": "d"}, "", "  "), 2),
    ):
        notes: Counter[str] = Counter()
        assert len(list(pairs.rows("train", notes))) == count
        assert notes == {"blank_lines": 3}
        assert pairs.locate("train", 1).endswith(":4" if "tsv" in pairs.locate("train", 1) else ":3")


def test_a_row_after_a_field_of_several_lines_is_found_at_its_own_line(tmp_path: Path) -> None:
    pairs = tsv(tmp_path, 'source\ttarget\n"a\nb"\t"c"\nd\te\n', quoting="csv")
    assert [pairs.locate("test", row) for row in (0, 1)] == [f"{tmp_path}/t.tsv:3", f"{tmp_path}/t.tsv:4"]


NESTED = {"translation": {"en": "one", "de": "eins"}, "translation.en": "exact", "deep": {"er": {"en": "two"}}}


@pytest.mark.parametrize(
    ("field", "found"), [("translation.de", "eins"), ("translation.en", "exact"), ("deep.er.en", "two")]
)
def test_dotted_fields_mean_the_same_in_files_and_on_the_hub(tmp_path: Path, field: str, found: str) -> None:
    rows = datasets.Dataset.from_list([NESTED])
    datasets.DatasetDict(train=rows, validation=rows, test=rows).save_to_disk(tmp_path / "saved")
    hub = HubRows(HubCorpus(dataset=str(tmp_path / "saved"), source_field=field, target_field=field), SOURCE_AND_TARGET)
    files = jsonl(tmp_path, NESTED, source_field=field, target_field=field)
    assert list(hub.rows("train")) == list(files.rows("train")) == [(found, found)]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("translation.fr", r":\S+: no field `fr` \(there are en, de\)"),
        ("translation", r": must be text, got an object"),
        ("translation.de.x", r": `de` must be an object, got \"eins\""),
        ("deep.er.none", r"no field `none` \(there are en\)"),
    ],
)
def test_a_field_without_text_is_reported_alike_in_files_and_on_the_hub(
    tmp_path: Path, field: str, message: str
) -> None:
    rows = datasets.Dataset.from_list([NESTED])
    datasets.DatasetDict(train=rows, validation=rows, test=rows).save_to_disk(tmp_path / "saved")
    readers = (
        HubRows(HubCorpus(dataset=str(tmp_path / "saved"), source_field=field, target_field=field), SOURCE_AND_TARGET),
        jsonl(tmp_path, NESTED, source_field=field, target_field=field),
    )
    for reader in readers:
        with pytest.raises(DataError, match=message):
            list(reader.rows("train"))


def test_a_field_that_is_missing_is_reported_with_the_nested_ones_as_they_are_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no field `source` \(there are translation\.en, translation\.de, id\)"):
        list(jsonl(tmp_path, {"translation": {"en": "one", "de": "eins"}, "id": "7"}).rows("train"))


def test_a_nul_character_is_refused_in_files_and_on_the_hub(tmp_path: Path) -> None:
    row = {"source": "a\0b", "target": "c"}
    datasets.Dataset.from_list([row]).save_to_disk(tmp_path / "saved")
    splits = {"train": "train", "valid": "train", "test": "train"}
    hub = HubCorpus(dataset=str(tmp_path / "saved"), source_field="source", target_field="target", splits=splits)
    for reader in (HubRows(hub, SOURCE_AND_TARGET), jsonl(tmp_path, row)):
        with pytest.raises(DataError, match="a NUL character or half a surrogate pair; is this a text file"):
            list(reader.rows("train"))


@pytest.mark.parametrize("opening", ["[", '{"a": '])
def test_json_that_is_nested_too_deeply_is_named_by_file_and_line(tmp_path: Path, opening: str) -> None:
    with pytest.raises(DataError, match=r"t\.jsonl:2: nested too deeply to be read as JSON"):
        list(jsonl(tmp_path, {"source": "a", "target": "b"}, opening * 100_000).rows("train"))
