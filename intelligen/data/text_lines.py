"""Lines of text files: invalid text is an error with file, line and byte; what is corrected is counted."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from intelligen.config.schema.columns import Row
from intelligen.errors import DataError, StorageError

# All characters at which `str.splitlines` ends a line.
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


def read_lines(path: Path, notes: Counter[str]) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or `.gz`; see `decoded_lines`.

    Raises:
        DataError: not text, or a damaged or truncated gzip file (file:line).
        StorageError: the file cannot be read.

    """
    number = 0
    try:
        with _open(path) as stream:
            for line in decoded_lines(stream, str(path), notes):
                number += 1
                yield line
    except EOFError:
        raise DataError(f"{path}:{number + 1}: the gzip file is truncated here; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}:{number + 1}: damaged gzip file ({error}); copy it again") from error
    except OSError as error:
        raise StorageError(f"{path}:{number + 1}: cannot be read: {error.strerror or error}") from error


def decoded_lines(stream: Iterable[bytes], name: str, notes: Counter[str]) -> Iterator[str]:
    r"""The lines of UTF-8 text without their ends, which are \n and \r\n alone.

    A byte order mark and \r\n are removed and counted in `notes` (`bom`, `crlf`).

    Args:
        stream: Lines with their ends.
        name: What messages call it.
        notes: Counters.

    Raises:
        DataError: not UTF-8, or a NUL character (place:line:byte).

    """
    for number, raw in enumerate(stream, start=1):
        line = _decoded(raw, name, number)
        if number == 1 and line.startswith("\ufeff"):
            line = line[1:]
            notes["bom"] += 1
        if line.endswith("\r\n"):
            line = line[:-2]
            notes["crlf"] += 1
        yield line.removesuffix("\n")


def one_line(text: str, notes: Counter[str]) -> str:
    """The text as one line: every line break inside becomes a space, those at its ends go; counted as `line_breaks`.

    A line break is any character at which `str.splitlines` breaks, so that what reads a translation line by line finds
    as many lines as there were texts, whatever tool it is.
    """
    if not text or text.splitlines() == [text]:
        return text
    notes["line_breaks"] += 1
    return " ".join(text.strip(_BREAKS).splitlines())


def one_line_rows(rows: Iterable[Row], notes: Counter[str]) -> Iterator[Row]:
    """Rows whose texts are one line each; see `one_line`."""
    for row in rows:
        # Nearly all have no break, and one look at all their texts together is faster than one at each.
        together = "".join(row)
        yield row if together.splitlines() == [together] else tuple([one_line(text, notes) for text in row])


def require_text(text: str, where: str) -> None:
    """Refuse what a string may hold and UTF-8 text may not.

    Raises:
        DataError: a NUL character, or half a surrogate pair.

    """
    if "\0" in text or _HALF_SURROGATE.search(text):
        raise DataError(f"{where}: a NUL character or half a surrogate pair; is this a text file?")


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        # No further buffer above it: reading ahead would hide the line at which a file is truncated.
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _decoded(raw: bytes, name: str, number: int) -> str:
    try:
        line = raw.decode()
    except UnicodeDecodeError as error:
        where = f"{name}:{number}:{error.start + 1}"
        raise DataError(f"{where}: byte 0x{raw[error.start]:02x} is not UTF-8; convert it, e.g. with iconv") from None
    if "\0" in line:
        raise DataError(f"{name}:{number}:{raw.index(0) + 1}: a NUL character; is this a text file?")
    return line
