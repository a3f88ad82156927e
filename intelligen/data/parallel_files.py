"""Parallel text files and tables in a folder: what is wrong is an error with file and line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path

from intelligen.config.base import content_hash
from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import PairTable, ParallelText
from intelligen.data.checksums import sha256
from intelligen.data.table_files import NumberedRow, kind_of, read_table
from intelligen.data.text_lines import one_line_rows, read_lines
from intelligen.errors import DataError

_FIX_FOLDER = "name the folder that holds the files: -o data.corpus.folder=PATH"


class FileRows:
    """Splits that lie in the files of a folder.

    Args:
        folder: Where they lie.
        splits: Split → its files.
        columns: Fields of all these files; what holds nothing of them is not read.
        key: Of the splits in the settings, for messages that name a fix; empty where no settings name them.

    Raises:
        ConfigError: see `kind_of`.
        DataError: the folder or one of its files is missing.

    """

    def __init__(
        self,
        folder: Path,
        splits: Mapping[str, ParallelText | PairTable],
        columns: Sequence[Column],
        *,
        key: str = "data.corpus.splits",
    ) -> None:
        self._folder = folder
        self._files = splits
        self._columns = columns
        self.key = key
        self.splits = tuple(splits)
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: no such folder; {_FIX_FOLDER}")
        for split, files in splits.items():
            if isinstance(files, PairTable):
                kind_of(files)
            for path in self._paths(files):
                if not path.is_file():
                    raise DataError(f"{path}: no such file (split `{split}`); {_FIX_FOLDER}")

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows in the files' order; what was fixed on the way is counted in `notes`.

        Raises:
            DataError: see `read_lines` and `read_table`; different numbers of lines.

        """
        notes = Counter() if notes is None else notes
        files = self._files[split]
        if isinstance(files, ParallelText):
            return one_line_rows(_parallel(self._paths(files), notes), notes)
        return one_line_rows((row for _, row in self._table_rows(split, files, notes)), notes)

    def locate(self, split: str, row: int) -> str:
        """`file:line` of a row, which counts from 0; of its last column where each has a file of its own."""
        files = self._files[split]
        if isinstance(files, PairTable):
            row = next(islice(self._table_rows(split, files, Counter()), row, None))[0] - 1
        return f"{self._paths(files)[-1]}:{row + 1}"

    def _table_rows(self, split: str, table: PairTable, notes: Counter[str]) -> Iterator[NumberedRow]:
        (path,) = self._paths(table)
        key = f"{self.key}.{split}" if self.key else ""
        return read_table(path, table, self._fields(table), notes, key=key)

    def fingerprint(self) -> str:
        """Content hash of the files' bytes and of how they are read; paths do not count."""
        parts = ["files"]
        for split, files in self._files.items():
            parts.append(split)
            if isinstance(files, PairTable):
                parts += [kind_of(files), *self._fields(files)]
                # What the first release read has the fingerprint that it gave.
                parts += [files.quoting] if files.quoting == "csv" else []
            parts += [sha256(path) for path in self._paths(files)]
        return content_hash(*parts)

    def _paths(self, files: ParallelText | PairTable) -> tuple[Path, ...]:
        names = self._fields(files) if isinstance(files, ParallelText) else [files.file]
        return tuple(self._folder / name for name in names)

    def _fields(self, files: ParallelText | PairTable) -> list[str]:
        return [files.fields[column.name] for column in self._columns]


def _parallel(paths: Sequence[Path], notes: Counter[str]) -> Iterator[Row]:
    sides = [read_lines(path, notes) for path in paths]
    for number, row in enumerate(zip_longest(*sides)):
        if None in row:
            counts = [number + (line is not None) + sum(1 for _ in side) for line, side in zip(row, sides, strict=True)]
            (path, count), *others = zip(paths, counts, strict=True)
            raise DataError(
                f"{path} has {count:,} lines, {', '.join(f'{path} has {count:,}' for path, count in others)}:"
                " line i of one must translate line i of the other"
            )
        yield row
