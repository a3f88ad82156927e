"""Tables, .tsv, .csv and .jsonl: rows with their line number; blank lines are counted."""

import csv
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligen.config.schema.columns import Row
from intelligen.config.schema.split_forms import PairTable
from intelligen.data.json_fields import RecordField, nearest_of, text_of
from intelligen.data.text_lines import read_lines
from intelligen.errors import ConfigError, DataError

NumberedRow = tuple[int, Row]
"""Number of the line at which the row ends, and its texts."""

_ENDINGS = (".tsv", ".csv", ".jsonl")
_MOSTLY_QUOTED = 0.9


def is_table(table: PairTable) -> bool:
    """Whether its `format` or its ending says that it is one."""
    return _ending(table) in _ENDINGS


def _ending(table: PairTable) -> str:
    return f".{table.format}" if table.format else Path(table.file.removesuffix(".gz")).suffix


def kind_of(table: PairTable) -> str:
    """`.tsv`, `.csv` or `.jsonl`, by its `format` or its ending.

    Raises:
        ConfigError: the file is none of them; `quoting` is given for another one than .tsv.

    """
    kind = _ending(table)
    if kind not in _ENDINGS:
        raise ConfigError(
            f"a table must be a .tsv, .csv or .jsonl file, plain or .gz, or its `format` must say which of them it is"
            f" (format: tsv); got {table.file!r}"
        )
    if kind != ".tsv" and table.quoting is not None:
        raise ConfigError(f"quoting is for .tsv files; remove it from the table {table.file!r}")
    return kind


def read_table(
    path: Path, table: PairTable, fields: Sequence[RecordField], notes: Counter[str], *, key: str
) -> Iterator[NumberedRow]:
    """The rows of a table.

    Args:
        path: Of its file.
        table: How it is read.
        fields: Those that make a row, in the row's order.
        notes: Counters: `blank_lines`, and those of `read_lines`.
        key: Of the table in the settings, for messages that name a fix; empty where no settings name it.

    Raises:
        DataError: see `read_lines`; a malformed row (file:line); a .tsv whose fields are quoted unless `quoting` says
            what that means.

    """
    kind = kind_of(table)
    if kind == ".jsonl":
        return _jsonl(path, fields, notes)
    if kind == ".csv" or table.quoting == "csv":
        return _quoted(path, fields, notes, delimiter="," if kind == ".csv" else "\t", key=key)
    return _plain_tsv(path, fields, notes, _Quotes(path, table, key))


@dataclass
class _Quotes:
    """Counts the fields that are quoted as in CSV: where nearly all are, the quotation marks are not text."""

    path: Path
    table: PairTable
    key: str
    fields: int = 0
    quoted: int = 0

    def count(self, fields: Sequence[str]) -> None:
        """Count fields of one row."""
        self.fields += len(fields)
        self.quoted += sum(len(field) > 1 and field[0] == field[-1] == '"' for field in fields)

    def require_text(self) -> None:
        """Refuse a file in which 90 % of the fields are quoted.

        Raises:
            DataError: it is one.

        """
        if self.table.quoting == "none" or self.quoted < max(1, _MOSTLY_QUOTED * self.fields):
            return
        if self.key:
            fix = f"read them as CSV with -o {self.key}.quoting=csv, or as text with -o {self.key}.quoting=none"
        else:
            written = self.table.model_dump() | {"file": str(self.path), "quoting": "csv"}
            option = shlex.quote(f"NAME={json.dumps(written, ensure_ascii=False)}")
            fix = f"read them as CSV with --data {option}, or as text with `none`"
        raise DataError(f"{self.path}: {self.quoted:,} of {self.fields:,} fields are in quotation marks: {fix}")


def _plain_tsv(
    path: Path, fields: Sequence[RecordField], notes: Counter[str], quotes: _Quotes
) -> Iterator[NumberedRow]:
    """Tabs split, and a quotation mark is text; so a stray tab shows as a wrong number of fields."""
    lines = read_lines(path, notes)
    first = next(lines, "")
    header = first.split("\t") if first else []
    columns = _columns(path, fields, header, quotes.key, quotes)
    for number, line in enumerate(lines, start=2):
        if not line.strip("\r "):
            notes["blank_lines"] += 1
            continue
        cells = line.split("\t")
        if len(cells) != len(header):
            quotes.require_text()
            raise DataError(f"{path}:{number}: {len(cells)} fields where the header has {len(header)}")
        row = tuple([cells[column] for column in columns])
        quotes.count(row)
        yield number, row
    quotes.require_text()


def _columns(
    path: Path, fields: Sequence[RecordField], header: list[str], key: str, quotes: _Quotes | None = None
) -> list[int]:
    for field in fields:
        if field.name not in header:
            if quotes is not None:
                quotes.count(header)
                quotes.require_text()
            fix = f", and -o {key}.{field.setting}=NAME says which one is the {field.column}" if key else ""
            raise DataError(
                f"{path}:1: no column `{field.name}`{nearest_of(field.name, header)}; the first line must name the"
                f" columns{fix}"
            )
    return [header.index(field.name) for field in fields]


def _quoted(
    path: Path, fields: Sequence[RecordField], notes: Counter[str], *, delimiter: str, key: str
) -> Iterator[NumberedRow]:
    """Fields may be quoted as in RFC 4180: a quoted one may hold delimiters, line breaks, doubled quotation marks."""
    reader = csv.reader((f"{line}\n" for line in read_lines(path, notes)), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        columns = _columns(path, fields, header, key)
        for cells in reader:
            if not any(cell.strip() for cell in cells) and len(cells) < len(header):
                notes["blank_lines"] += 1
                continue
            if len(cells) != len(header):
                raise DataError(f"{path}:{reader.line_num}: {len(cells)} fields where the header has {len(header)}")
            yield reader.line_num, tuple([cells[column] for column in columns])
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}; check its quotation marks") from error


def _jsonl(path: Path, fields: Sequence[RecordField], notes: Counter[str]) -> Iterator[NumberedRow]:
    for number, line in enumerate(read_lines(path, notes), start=1):
        if not line.strip():
            notes["blank_lines"] += 1
            continue
        where = f"{path}:{number}"
        record = _parsed(line, where)
        yield number, tuple([text_of(record, field, where) for field in fields])


def _parsed(line: str, where: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except RecursionError:
        raise DataError(f"{where}: nested too deeply to be read as JSON; is this a table?") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    except ValueError:  # Python reads no longer number
        most = sys.get_int_max_str_digits()
        raise DataError(f"{where}: a number of more than {most:,} digits; write it in quotation marks") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: must be a JSON object, got {type(record).__name__}")
    return record
