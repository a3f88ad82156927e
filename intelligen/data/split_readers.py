"""Readers of a split's files, by their form; what is wrong is an error with its line."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.split_forms import (
    Dialogues,
    Documents,
    LineFiles,
    PairTable,
    ParallelText,
    SplitFiles,
    Squad,
    TextFolder,
)
from intelligen.data.checksums import sha256
from intelligen.data.corpus_interface import SplitReader
from intelligen.data.dialogue_files import DialogueReader
from intelligen.data.json_fields import RecordField, nearest_of
from intelligen.data.squad_files import SquadReader
from intelligen.data.table_files import kind_of, read_table
from intelligen.data.text_lines import read_lines
from intelligen.errors import DataError

NumberedRow = tuple[int, Row]
"""The line at which a row ends, counted from 1, and its texts."""


def reader_of(
    folder: Path, files: SplitFiles, columns: Sequence[Column], *, key: str, training: bool = False
) -> SplitReader:
    """The reader of a split.

    Args:
        folder: Where its files lie.
        files: What they are.
        columns: Of its rows, which the files have.
        key: Of the split in the settings, for messages that name a fix; empty where no settings name it.
        training: Whether models train on the rows; then a `squad` file loses questions that are not as they should be.

    Raises:
        ConfigError: see `kind_of`.

    """
    match files:
        case ParallelText() | LineFiles():
            return _Lines([folder / files.files[column.name] for column in columns])
        case PairTable():
            return _Table(folder / files.file, files, columns, key)
        case TextFolder():
            return _Folder(folder / files.folder, files.labels, columns)
        case Documents():
            return _Documents(folder / files.documents)
        case Squad():
            return SquadReader(folder / files.squad, files, columns, training=training)
        case Dialogues():
            return DialogueReader(folder / files.dialogues, files, columns)


class _Lines(SplitReader):
    """Text files, one for each column; line i of each belongs to row i."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._paths

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        """The rows; blank lines at the end of all files are none, and are counted as `trailing_blank_lines`."""
        sides = [read_lines(path, notes) for path in self._paths]
        blank: list[tuple[Any, ...]] = []
        for number, row in enumerate(zip_longest(*sides)):
            if not any(line and line.strip() for line in row):
                blank.append(row)
                continue
            if None in row:
                raise DataError(self._unequal(number - len(blank), [*blank, row], sides))
            yield from blank
            blank.clear()
            yield row
        if trailing := sum(line is not None for row in blank for line in row):
            notes["trailing_blank_lines"] += trailing

    def _unequal(self, before: int, rows: Sequence[tuple[Any, ...]], sides: Sequence[Iterator[str]]) -> str:
        """How many lines each file has: those of complete rows, then of these, then the rest."""
        counts = [
            before + sum(line is not None for line in column) + sum(1 for _ in side)
            for column, side in zip(zip(*rows, strict=True), sides, strict=True)
        ]
        (path, count), *others = zip(self._paths, counts, strict=True)
        return (
            f"{path} has {count:,} lines, {', '.join(f'{path} has {count:,}' for path, count in others)}:"
            " line i of one must belong to line i of the other"
        )

    def locate(self, row: int) -> str:
        return f"{self._paths[-1]}:{row + 1}"

    def fingerprint(self) -> list[str]:
        return [sha256(path) for path in self._paths]


class _Table(SplitReader):
    """A table whose records have a field for each column."""

    def __init__(self, path: Path, table: PairTable, columns: Sequence[Column], key: str) -> None:
        self._path, self._table, self._key, self._kind = path, table, key, kind_of(table)
        self._fields = [RecordField(table.field(one.name), one.name, label=one.kind == "label") for one in columns]

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self._path,)

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        return (row for _, row in self._numbered(notes))

    def locate(self, row: int) -> str:
        number, _ = next(islice(self._numbered(Counter()), row, None))
        return f"{self._path}:{number}"

    def fingerprint(self) -> list[str]:
        # What the first release read has the fingerprint that it gave.
        quoting = ["csv"] if self._table.quoting == "csv" else []
        unnamed = [] if self._table.columns is None else ["columns", *self._table.columns]
        return [self._kind, *(field.name for field in self._fields), *quoting, *unnamed, sha256(self._path)]

    def _numbered(self, notes: Counter[str]) -> Iterator[NumberedRow]:
        return read_table(self._path, self._table, self._fields, notes, key=self._key)


class _Folder(SplitReader):
    """One text per file; in subfolders that are their labels, where labels are read or there are subfolders."""

    def __init__(self, folder: Path, labels: Sequence[str] | None, columns: Sequence[Column]) -> None:
        self._folder, self._labels = folder, labels
        self._kinds = [column.kind for column in columns]

    @property
    def paths(self) -> tuple[Path, ...]:
        return ()

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        for label, path in self._texts:
            parts = {"text": "\n".join(read_lines(path, notes)).strip("\n"), "label": label}
            yield tuple([parts[kind] for kind in self._kinds])

    def locate(self, row: int) -> str:
        return f"{self._texts[row][1]}:1"

    def fingerprint(self) -> list[str]:
        labelled = "label" in self._kinds
        return ["folder", *(part for label, path in self._texts for part in (label * labelled, sha256(path)))]

    @cached_property
    def _texts(self) -> list[tuple[str, Path]]:
        """Labels and files, sorted by both.

        Raises:
            DataError: no such folder or subfolder, or one without texts.

        """
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: no such folder")
        found = sorted(path.name for path in self._folder.iterdir() if path.is_dir() and path.name[0] != ".")
        for label in self._labels or ():
            if label not in found:
                raise DataError(f"{self._folder / label}: no such folder{nearest_of(label, found)}")
        if not found:
            if "label" in self._kinds:
                what = "has no subfolders: the name of the one that holds a text is its label"
                raise DataError(f"{self._folder}: {what}; put the texts into one for each label")
            return [("", path) for path in self._in(self._folder)]
        return [(label, path) for label in sorted(self._labels or found) for path in self._in(self._folder / label)]

    @staticmethod
    def _in(folder: Path) -> list[Path]:
        found = sorted(path for path in folder.iterdir() if path.name.endswith((".txt", ".txt.gz")) and path.is_file())
        if not found:
            raise DataError(f"{folder}: a folder without texts; there must be a file that ends in .txt for each")
        return found


class _Documents(SplitReader):
    """Documents with empty lines between them, each as one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self._path,)

    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        return ((text,) for _, text in self._numbered(notes))

    def locate(self, row: int) -> str:
        number, _ = next(islice(self._numbered(Counter()), row, None))
        return f"{self._path}:{number}"

    def fingerprint(self) -> list[str]:
        return ["documents", sha256(self._path)]

    def _numbered(self, notes: Counter[str]) -> Iterator[tuple[int, str]]:
        """Documents, each with the number of its first line."""
        gathered: list[str] = []
        number = 0
        for number, line in enumerate(read_lines(self._path, notes), start=1):
            if line.strip():
                gathered.append(line.strip())
            elif gathered:
                yield number - len(gathered), " ".join(gathered)
                gathered = []
        if gathered:
            yield number + 1 - len(gathered), " ".join(gathered)
