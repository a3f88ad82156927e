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
from intelligen.data.header_names import looks_like_header
from intelligen.data.json_fields import RecordField, nearest_of, text_of
from intelligen.data.text_lines import read_lines
from intelligen.errors import ConfigError, DataError

NumberedRow = tuple[int, Row]
"""Number of the line at which the row ends, and its texts."""

_ENDINGS = (".tsv", ".csv", ".jsonl")
_MOSTLY_QUOTED = 0.9
HEADER_AS_ROW = "header_as_row"
"""Counts the first rows that look like headers and are read as rows, because the settings name the columns."""


def is_table(table: PairTable) -> bool:
    """Whether its `format` or its ending says that it is one."""
    return _ending(table) in _ENDINGS


def _ending(table: PairTable) -> str:
    return f".{table.format}" if table.format else Path(table.file.removesuffix(".gz")).suffix


def kind_of(table: PairTable) -> str:
    """`.tsv`, `.csv` or `.jsonl`, by its `format` or its ending.

    Raises:
        ConfigError: the file is none of them; `quoting` is given for another one than .tsv, `columns` for a .jsonl.

    """
    kind = _ending(table)
    if kind not in _ENDINGS:
        raise ConfigError(
            f"a table must be a .tsv, .csv or .jsonl file, plain or .gz, or its `format` must say which of them it is"
            f" (format: tsv); got {table.file!r}"
        )
    if kind != ".tsv" and table.quoting is not None:
        raise ConfigError(f"quoting is for .tsv files; remove it from the table {table.file!r}")
    if kind == ".jsonl" and table.columns is not None:
        raise ConfigError(f"columns is for .tsv and .csv files; remove it from the table {table.file!r}")
    return kind


def read_table(
    path: Path, table: PairTable, fields: Sequence[RecordField], notes: Counter[str], *, key: str
) -> Iterator[NumberedRow]:
    """The rows of a table.

    Args:
        path: Of its file.
        table: How it is read.
        fields: Those that make a row, in the row's order.
        notes: Counters: `blank_lines`, `header_as_row`, and those of `read_lines`.
        key: Of the table in the settings, for messages that name a fix; empty where no settings name it.

    Raises:
        DataError: see `read_lines`; a malformed row (file:line); a column that the file does not have; a first row that
            names the columns beside `columns`; a .tsv whose fields are quoted unless `quoting` says what that means.

    """
    kind = kind_of(table)
    if kind == ".jsonl":
        return _jsonl(path, fields, notes)
    place = _Place(path, table, key)
    if kind == ".csv" or table.quoting == "csv":
        return _quoted(place, fields, notes, delimiter="," if kind == ".csv" else "\t")
    return _plain_tsv(place, fields, notes, _Quotes(place))


@dataclass(frozen=True)
class _Place:
    """A table and where settings name it, for messages."""

    path: Path
    table: PairTable
    key: str

    def option(self, **settings: object) -> str:
        """What to type so that the table has these settings too."""
        if self.key:
            ((name, value),) = settings.items()
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return f"-o {shlex.quote(f'{self.key}.{name}={text}')}"
        written = self.table.model_dump(exclude_defaults=True) | {"file": str(self.path), **settings}
        return f"--data {shlex.quote(f'NAME={json.dumps(written, ensure_ascii=False)}')}"

    def require_count(self, number: int, cells: Sequence[str], header: Sequence[str]) -> None:
        """Refuse a row that has not a field for each column, and a first row of names beside `columns`."""
        named = "`columns` names" if self.table.columns is not None else "the header has"
        if len(cells) != len(header):
            raise DataError(f"{self.path}:{number}: {len(cells)} fields where {named} {len(header)}")
        if number == 1 and list(cells) == header:
            raise DataError(
                f"{self.path}:1: the first row names the columns itself; remove `columns` from its settings"
            )

    def note_header(self, number: int, row: Row, notes: Counter[str]) -> None:
        """Count a first row that looks like a header where the settings name the columns."""
        if number == 1 and self.table.columns is not None:
            notes[HEADER_AS_ROW] += looks_like_header(row, self.table.columns)


@dataclass
class _Quotes:
    """Counts the fields that are quoted as in CSV: where nearly all are, the quotation marks are not text."""

    place: _Place
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
        if self.place.table.quoting == "none" or self.quoted < max(1, _MOSTLY_QUOTED * self.fields):
            return
        fix = f"read them as CSV with {self.place.option(quoting='csv')}"
        other = self.place.option(quoting="none") if self.place.key else "`none`"
        raise DataError(
            f"{self.place.path}: {self.quoted:,} of {self.fields:,} fields are in quotation marks: {fix}, or as text"
            f" with {other}"
        )


def _plain_tsv(
    place: _Place, fields: Sequence[RecordField], notes: Counter[str], quotes: _Quotes
) -> Iterator[NumberedRow]:
    """Tabs split, and a quotation mark is text; so a stray tab shows as a wrong number of fields."""
    lines, header, first_row = read_lines(place.path, notes), place.table.columns, 1
    if header is None:
        first = next(lines, "")
        header, first_row = first.split("\t") if first else [], 2
    columns = _columns(place, fields, header, quotes)
    for number, line in enumerate(lines, start=first_row):
        if not line.strip("\r "):
            notes["blank_lines"] += 1
            continue
        cells = line.split("\t")
        if len(cells) != len(header):
            quotes.require_text()
        if number == 1 or len(cells) != len(header):
            place.require_count(number, cells, header)
        row = tuple([cells[column] for column in columns])
        if number == 1:
            place.note_header(number, row, notes)
        quotes.count(row)
        yield number, row
    quotes.require_text()


def _columns(
    place: _Place, fields: Sequence[RecordField], header: list[str], quotes: _Quotes | None = None
) -> list[int]:
    for field in fields:
        if field.name not in header:
            if quotes is not None:
                quotes.count(header)
                quotes.require_text()
            missing = f"{place.path}:1: no column `{field.name}`{nearest_of(field.name, header)}"
            raise DataError(f"{missing}; {_fix_names(place, fields, header, field)}")
    return [header.index(field.name) for field in fields]


def _fix_names(place: _Place, fields: Sequence[RecordField], header: Sequence[str], missing: RecordField) -> str:
    """How columns get their names: from the first row, or from the settings where that is text already."""
    if place.table.columns is not None:
        return "name it in `columns`"
    which = f"-o {place.key}.{missing.setting}=NAME says which one is the {missing.column}" if place.key else ""
    if len(header) < len(fields):
        return f"the first line must name the columns{which and f', and {which}'}"
    names = [field.name for field in fields] + [f"column{n}" for n in range(len(fields) + 1, len(header) + 1)]
    unnamed = f"if it is text already, name them in their order: {place.option(columns=names)}"
    if not place.key:
        which = f"say which is which: {place.option(**_by_settings(fields, header))}"
    return f"the first line must name the columns{which and f', and {which}'}; {unnamed}"


def _by_settings(fields: Sequence[RecordField], header: Sequence[str]) -> dict[str, object]:
    """The settings that name the columns: of those that a header does not name, its other ones in their order."""
    others = iter([name for name in header if name not in {field.name for field in fields}])
    settings: dict[str, object] = {}
    for field in fields:
        name = field.name if field.name in header else next(others, field.name)
        group, _, key = field.setting.rpartition(".")
        if group:
            within = settings.setdefault(group, {})
            assert isinstance(within, dict)
            within[key] = name
        else:
            settings[key] = name
    return settings


def _quoted(
    place: _Place, fields: Sequence[RecordField], notes: Counter[str], *, delimiter: str
) -> Iterator[NumberedRow]:
    """Fields may be quoted as in RFC 4180: a quoted one may hold delimiters, line breaks, doubled quotation marks."""
    path = place.path
    reader = csv.reader((f"{line}\n" for line in read_lines(path, notes)), delimiter=delimiter, strict=True)
    try:
        header = next(reader, []) if place.table.columns is None else place.table.columns
        columns = _columns(place, fields, header)
        for cells in reader:
            if not any(cell.strip() for cell in cells) and len(cells) < len(header):
                notes["blank_lines"] += 1
                continue
            place.require_count(reader.line_num, cells, header)
            row = tuple([cells[column] for column in columns])
            place.note_header(reader.line_num, row, notes)
            yield reader.line_num, row
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
