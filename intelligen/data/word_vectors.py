"""Files of word vectors: word2vec's text format or .npz; each word once, each vector finite and of one width."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intelligen.data.text_lines import read_lines
from intelligen.errors import DataError

Vector = npt.NDArray[np.float32]


def read_word_vectors(path: Path, *, words: Mapping[str, int], width: int) -> dict[int, Vector]:
    """The vectors of those words that are wanted.

    `.npz` files have the arrays `words` [n] (text) and `vectors` [n, width]. Any other file is word2vec's text,
    plain or `.gz`: a word and its numbers on each line, below a line with the counts of both, which may be left out.

    Args:
        path: The file.
        words: Word → the key under which its vector is returned.
        width: Numbers of a vector.

    Raises:
        DataError: The file is none of this, a vector has another width or a number that is not finite, a word comes
            twice, or none of the words is wanted; with file and line, or row of an array.
        StorageError: It cannot be read.

    """
    rows, unit = (_array_rows(path), " row ") if path.suffix == ".npz" else (_text_rows(path, width), "")
    found: dict[int, Vector] = {}
    known: dict[str, int] = {}
    for number, word, vector in rows:
        where = f"{path}:{unit}{number}"
        if len(vector) != width:
            raise DataError(f"{where}: a vector of {len(vector)} numbers, but the model's embeddings have {width}")
        if not np.isfinite(vector).all():
            raise DataError(f"{where}: the vector of {word!r} has a number that is not finite; remove it")
        if word in known:
            raise DataError(
                f"{where}: {word!r} has a vector already, in{unit or ' line '}{known[word]}; remove one of them"
            )
        known[word] = number
        if word in words:
            found[words[word]] = vector
    if not found:
        raise DataError(
            f"{path}: none of its {len(known):,} words is a piece of the vocabulary; is it of another language, or does"
            " data.lowercase differ?"
        )
    return found


def _text_rows(path: Path, width: int) -> Iterator[tuple[int, str, Vector]]:
    declared, number, rows = None, 0, 0
    for number, line in enumerate(read_lines(path, Counter()), start=1):
        where, fields = f"{path}:{number}", line.rstrip().split(" ")
        if number == 1 and (declared := _header(fields)):
            if declared[1] != width:
                what = f"vectors of {declared[1]} numbers, but the model's embeddings have {width}"
                raise DataError(f"{where}: {what}; set model.d_model to {declared[1]}, or use other vectors")
            continue
        # A word may hold spaces; where there are fewer fields than numbers, the line has its own width.
        split = max(1, len(fields) - width) if declared else 1
        yield number, " ".join(fields[:split]), _numbers(fields[split:], where)
        rows += 1
    if declared and rows != declared[0]:
        raise DataError(f"{path}:{number}: ends after {rows:,} words, but its first line says {declared[0]:,}")


def _header(fields: list[str]) -> tuple[int, int] | None:
    """Words and width, where the first line says them."""
    if len(fields) != 2 or not all(field.isdecimal() for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _numbers(fields: list[str], where: str) -> Vector:
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            return np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: not a word and its numbers ({error}); is this word2vec's text format?") from None


def _array_rows(path: Path) -> Iterator[tuple[int, str, Vector]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            words, vectors = arrays["words"], arrays["vectors"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not an .npz file with the arrays `words` (text, not objects) and `vectors`; write it with"
            " numpy.savez(FILE, words=…, vectors=…)"
        ) from error
    if words.dtype.kind != "U" or words.ndim != 1 or vectors.dtype.kind != "f" or vectors.ndim != 2:
        raise DataError(f"{path}: `words` must be a list of texts, and `vectors` a row of fractions for each")
    if len(words) != len(vectors):
        raise DataError(f"{path}: {len(words):,} words, but {len(vectors):,} vectors")
    for row, (word, vector) in enumerate(zip(words.tolist(), vectors, strict=True)):
        with np.errstate(over="ignore"):
            narrow = vector.astype(np.float32)
        yield row, word, narrow
