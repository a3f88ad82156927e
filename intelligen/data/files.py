"""Parallel files and tables in a folder: what is wrong is an error with file and line, what is fixed is counted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from pathlib import Path

from intelligen.config.base import content_hash
from intelligen.config.data import PairTable, ParallelText
from intelligen.data.checksums import sha256
from intelligen.data.lines import one_line_pairs, read_lines
from intelligen.data.tables import Row, kind_of, read_table
from intelligen.errors import DataError

_MEND_FOLDER = "name the folder that holds the files: -o data.corpus.folder=PATH"


class FilePairs:
    """Splits that lie in the files of a folder.

    Args:
        folder: Where they lie.
        splits: Split → its files.
        key: Of the splits in the settings, for messages that name a fix; empty where no settings name them.

    Raises:
        ConfigError: see `kind_of`.
        DataError: the folder or one of its files is missing.

    """

    def __init__(
        self, folder: Path, splits: Mapping[str, ParallelText | PairTable], *, key: str = "data.corpus.splits"
    ) -> None:
        self._folder = folder
        self._files = splits
        self.key = key
        self.splits = tuple(splits)
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: no such folder; {_MEND_FOLDER}")
        for split, files in splits.items():
            if isinstance(files, PairTable):
                kind_of(files)
            for path in self._paths(files):
                if not path.is_file():
                    raise DataError(f"{path}: no such file (split `{split}`); {_MEND_FOLDER}")

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The split's pairs in the files' order; what was fixed on the way is counted in `notes`.

        Raises:
            DataError: see `read_lines` and `read_table`; different numbers of lines.

        """
        notes = Counter() if notes is None else notes
        files = self._files[split]
        if isinstance(files, ParallelText):
            source, target = self._paths(files)
            return one_line_pairs(_parallel(source, target, notes), notes)
        return one_line_pairs(((source, target) for _, source, target in self._rows(split, files, notes)), notes)

    def locate(self, split: str, row: int) -> str:
        """`file:line` of a pair (row counts from 0); of its target where the sides lie in two files."""
        files = self._files[split]
        if isinstance(files, PairTable):
            row = next(islice(self._rows(split, files, Counter()), row, None))[0] - 1
        return f"{self._paths(files)[-1]}:{row + 1}"

    def _rows(self, split: str, table: PairTable, notes: Counter[str]) -> Iterator[Row]:
        (path,) = self._paths(table)
        return read_table(path, table, notes, key=f"{self.key}.{split}" if self.key else "")

    def fingerprint(self) -> str:
        """Content hash of the files' bytes and of how they are read; paths do not count."""
        parts = ["files"]
        for split, files in self._files.items():
            parts.append(split)
            if isinstance(files, PairTable):
                parts += [kind_of(files), files.source_field, files.target_field]
                # What the first release read has the fingerprint that it gave.
                parts += [files.quoting] if files.quoting == "csv" else []
            parts += [sha256(path) for path in self._paths(files)]
        return content_hash(*parts)

    def _paths(self, files: ParallelText | PairTable) -> tuple[Path, ...]:
        names = (files.source, files.target) if isinstance(files, ParallelText) else (files.file,)
        return tuple(self._folder / name for name in names)


def _parallel(source: Path, target: Path, notes: Counter[str]) -> Iterator[tuple[str, str]]:
    sides = read_lines(source, notes), read_lines(target, notes)
    for row, (source_line, target_line) in enumerate(zip_longest(*sides)):
        if source_line is None or target_line is None:
            longer = row + 1 + sum(1 for side in sides for _ in side)
            counts = (row, longer) if source_line is None else (longer, row)
            raise DataError(
                f"{source} has {counts[0]:,} lines, {target} has {counts[1]:,}:"
                " line i of one must translate line i of the other"
            )
        yield source_line, target_line
