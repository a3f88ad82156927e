"""Splits that lie in the files of a folder: what is missing or wrong is an error that names the file."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from intelligen.config.base import content_hash
from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.split_forms import SplitFiles
from intelligen.data.split_readers import reader_of
from intelligen.data.text_lines import one_line_rows
from intelligen.errors import DataError

_CLOSE = 0.8
"""Ratio of `get_close_matches` from which on a file's name is a misspelling of another: `train` and `valid` are not."""
_FIX_FOLDER = "name the folder that holds the files: -o data.corpus.folder=PATH"


def near(path: Path) -> str:
    """`did you mean "pairs.tsv"?` of a file that is not there, by the names beside it; empty where none is close."""
    try:
        beside = [name for name in os.listdir(path.parent) if Path(name).suffix == path.suffix]
    except OSError:
        return ""
    close = get_close_matches(path.name, beside, n=1, cutoff=_CLOSE)
    return f'did you mean "{path.with_name(close[0])}"?' if close else ""


class FileRows:
    """Splits that lie in the files of a folder.

    Args:
        folder: Where they lie.
        splits: Split → its files.
        columns: Of all these files; what holds nothing of them is not read.
        key: Of the splits in the settings, for messages that name a fix; empty where no settings name them.

    Raises:
        ConfigError: see `kind_of`.
        DataError: the folder or one of its files is missing.

    """

    def __init__(
        self,
        folder: Path,
        splits: Mapping[str, SplitFiles],
        columns: Sequence[Column],
        *,
        key: str = "data.corpus.splits",
    ) -> None:
        self.key = key
        self.splits = tuple(splits)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; {_FIX_FOLDER}")
        self._readers = {
            split: reader_of(folder, files, columns, key=f"{key}.{split}" if key else "", training=split == "train")
            for split, files in splits.items()
        }
        for split, reader in self._readers.items():
            for path in reader.paths:
                if not path.is_file():
                    where = f"`{key}.{split}`" if key else f"split `{split}`"
                    raise DataError(f"{path}: no such file ({where}); {near(path) or _FIX_FOLDER}")

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows in the files' order; what was fixed on the way is counted in `notes`.

        Raises:
            DataError: see `read_lines` and `read_table`; different numbers of lines; a folder without texts.

        """
        notes = Counter() if notes is None else notes
        return one_line_rows(self._readers[split].rows(notes), notes)

    def locate(self, split: str, row: int) -> str:
        """`file:line` of a row, which counts from 0; of its last column where each has a file of its own."""
        return self._readers[split].locate(row)

    def fingerprint(self) -> str:
        """Content hash of the files' bytes and of how they are read; paths do not count."""
        parts = [part for split, reader in self._readers.items() for part in (split, *reader.fingerprint())]
        return content_hash("files", *parts)
