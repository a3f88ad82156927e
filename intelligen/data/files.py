"""Parallel files are read strictly: what is wrong is an error with file and line, what is mended is counted."""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, cast

from intelligen.config.base import content_hash
from intelligen.config.data import PairTable, ParallelText
from intelligen.errors import ConfigError, DataError, StorageError

_MEND_FOLDER = "name the folder that holds the files: -o data.corpus.folder=PATH"


def read_lines(path: Path, notes: Counter[str]) -> Iterator[str]:
    r"""The lines of a UTF-8 file, plain or `.gz`, without their ends.

    Only \n and \r\n end a line. A byte order mark and \r\n are removed and counted in `notes` (`bom`, `crlf`).

    Raises:
        DataError: not UTF-8, a NUL character (file:line:byte), or a damaged or truncated gzip file (file:line).
        StorageError: the file cannot be read.

    """
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                line = _decode(raw, path, number)
                if number == 1 and line.startswith("\ufeff"):
                    line = line[1:]
                    notes["bom"] += 1
                if line.endswith("\r\n"):
                    line = line[:-2]
                    notes["crlf"] += 1
                yield line.removesuffix("\n")
    except EOFError:
        raise DataError(f"{path}:{number + 1}: the gzip file is truncated here; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}:{number + 1}: damaged gzip file ({error}); copy it again") from error
    except OSError as error:
        raise StorageError(f"{path}:{number + 1}: cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        # No further buffer above it: reading ahead would hide the line at which a file is truncated.
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _decode(raw: bytes, path: Path, number: int) -> str:
    try:
        line = raw.decode()
    except UnicodeDecodeError as error:
        where = f"{path}:{number}:{error.start + 1}"
        raise DataError(
            f"{where}: byte 0x{raw[error.start]:02x} is not UTF-8; convert the file, e.g. with iconv"
        ) from None
    if "\0" in line:
        raise DataError(f"{path}:{number}:{raw.index(0) + 1}: a NUL character; is this a text file?")
    return line


class FilePairs:
    """Splits that lie in the files of a folder.

    Args:
        folder: Where they lie.
        splits: Split → its files.

    Raises:
        ConfigError: a table is neither .tsv nor .jsonl.
        DataError: the folder or one of its files is missing.

    """

    def __init__(self, folder: Path, splits: Mapping[str, ParallelText | PairTable]) -> None:
        self._folder = folder
        self._files = splits
        self.splits = tuple(splits)
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: no such folder; {_MEND_FOLDER}")
        for split, files in splits.items():
            if isinstance(files, PairTable):
                _kind(files)
            for path in self._paths(files):
                if not path.is_file():
                    raise DataError(f"{path}: no such file (split `{split}`); {_MEND_FOLDER}")

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The split's pairs in the files' order; what was mended on the way is counted in `notes`.

        Raises:
            DataError: see `read_lines`; different numbers of lines; a malformed row of a table.

        """
        notes = Counter() if notes is None else notes
        files = self._files[split]
        if isinstance(files, ParallelText):
            source, target = self._paths(files)
            return _parallel(source, target, notes)
        (path,) = self._paths(files)
        read = _tsv if _kind(files) == ".tsv" else _jsonl
        return read(path, (files.source_field, files.target_field), notes)

    def locate(self, split: str, row: int) -> str:
        """`file:line` of a pair (row counts from 0); of its target where the sides lie in two files."""
        files = self._files[split]
        has_header = isinstance(files, PairTable) and _kind(files) == ".tsv"
        return f"{self._paths(files)[-1]}:{row + 1 + has_header}"

    def fingerprint(self) -> str:
        """Content hash of the files' bytes and of how they are read; paths do not count."""
        parts = ["files"]
        for split, files in self._files.items():
            parts.append(split)
            if isinstance(files, PairTable):
                parts += [_kind(files), files.source_field, files.target_field]
            parts += [_sha256(path) for path in self._paths(files)]
        return content_hash(*parts)

    def _paths(self, files: ParallelText | PairTable) -> tuple[Path, ...]:
        names = (files.source, files.target) if isinstance(files, ParallelText) else (files.file,)
        return tuple(self._folder / name for name in names)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error


def _kind(table: PairTable) -> str:
    kind = Path(table.file.removesuffix(".gz")).suffix
    if kind not in (".tsv", ".jsonl"):
        raise ConfigError(f"a table of pairs must be a .tsv or .jsonl file, plain or .gz; got {table.file!r}")
    return kind


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


def _tsv(path: Path, fields: tuple[str, str], notes: Counter[str]) -> Iterator[tuple[str, str]]:
    lines = read_lines(path, notes)
    header = next(lines, "").split("\t")
    for field in fields:
        if field not in header:
            raise DataError(f"{path}:1: no column `{field}`{_nearest(field, header)}")
    source, target = map(header.index, fields)
    for number, line in enumerate(lines, start=2):
        # No quoting: a quotation mark is text. So a stray tab shows as a wrong number of fields.
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(f"{path}:{number}: {len(cells)} fields where the header has {len(header)}")
        yield cells[source], cells[target]


def _jsonl(path: Path, fields: tuple[str, str], notes: Counter[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path, notes), start=1):
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: must be a JSON object, got {type(record).__name__}")
        yield _json_text(record, fields[0], where), _json_text(record, fields[1], where)


def _json_text(record: dict[str, object], field: str, where: str) -> str:
    if field not in record:
        raise DataError(f"{where}: no field `{field}`{_nearest(field, list(record))}")
    text = record[field]
    if not isinstance(text, str):
        raise DataError(f"{where}:{field}: must be a string, got {json.dumps(text)[:40]}")
    # JSON's escapes can spell what UTF-8 text cannot hold.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"{where}:{field}: a NUL character or half a surrogate pair; is this text?")
    return text


def _nearest(field: str, known: list[str]) -> str:
    nearest = get_close_matches(field, known, n=1)
    guess = f"; did you mean `{nearest[0]}`?" if nearest else ""
    return f" (there are {', '.join(known)}){guess}"
