"""Prepared data are a directory, whole or absent: token arrays, raw evaluation texts, vocabularies, a manifest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from intelligen.config.base import Settings
from intelligen.config.data import Data
from intelligen.data.tokenizer import Tokenizer
from intelligen.errors import StorageError

FORMAT = 1
"""Raised with every change of the files' meaning; part of the identity."""
MANIFEST = "manifest.json"

Int64s = npt.NDArray[np.int64]


class ColumnReport(Settings):
    """One side of a split in numbers."""

    dtype: Literal["uint16", "int32"]
    tokens: int
    """Without EOS."""
    unknown: int
    """Tokens that are UNK."""
    longest: int
    """Tokens of the longest row, without EOS."""


class SplitReport(Settings):
    """What became of a split's pairs."""

    read: int
    kept: int
    dropped: dict[str, int]
    """Reason → training pairs left out."""
    notes: dict[str, int]
    """What was mended or is odd, and stayed: `bom`, `crlf`, `empty_source`, `truncated_source`, `overlong_target`."""
    columns: dict[str, ColumnReport]


class Manifest(Settings):
    """manifest.json: what was prepared from what, and the sizes by which damage is found."""

    format: int
    identity: str
    fingerprint: str
    """Of the corpus' content."""
    data: Data
    versions: dict[str, str]
    tokenizers: dict[str, str]
    """Column → file of its SentencePiece model."""
    splits: dict[str, SplitReport]
    files: dict[str, int]
    """File → bytes."""


@dataclass(frozen=True)
class TokenColumn:
    """Rows of tokens, without BOS and EOS, mapped from disk: row i is tokens[offsets[i]:offsets[i + 1]]."""

    tokens: npt.NDArray[Any]
    offsets: Int64s

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    @cached_property
    def lengths(self) -> Int64s:
        """Tokens per row."""
        return np.diff(self.offsets)

    def gather(self, rows: Int64s) -> tuple[npt.NDArray[Any], Int64s]:
        """The rows' tokens one after the other, and the rows' lengths."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        shifts = np.repeat(self.offsets[rows] - (ends - lengths), lengths)
        return self.tokens[shifts + np.arange(len(shifts))], lengths


@dataclass(frozen=True)
class Split:
    """One split: columns of tokens, row by row, and the raw texts where it is for evaluation."""

    name: str
    columns: Mapping[str, TokenColumn]
    texts_path: Path | None
    """JSON lines; the training split keeps no texts."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def texts(self, column: str) -> list[str]:
        """The raw texts of a column of an evaluation split, uncut, for scoring."""
        assert self.texts_path is not None, f"split {self.name} keeps no texts"
        try:
            with self.texts_path.open(encoding="utf-8") as lines:
                return [json.loads(line)[column] for line in lines]
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.texts_path}: cannot be read: {error}") from error


class Prepared:
    """A directory of prepared data; arrays are mapped, and vocabularies read, when they are asked for."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._tokenizers: dict[str, Tokenizer] = {}

    @property
    def identity(self) -> str:
        """Content hash of settings and corpus; the directory's name."""
        return self.manifest.identity

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.manifest.splits)

    def split(self, name: str) -> Split:
        """The split of that name."""
        reports = self.manifest.splits[name].columns
        columns = {column: _map_column(self.directory, name, column, reports[column]) for column in reports}
        texts = self.directory / texts_file(name)
        return Split(name, columns, texts if texts.name in self.manifest.files else None)

    def tokenizer(self, column: str) -> Tokenizer:
        """The vocabulary of a column."""
        if column not in self._tokenizers:
            path, settings = self.directory / self.manifest.tokenizers[column], self.manifest.data.tokenizer
            self._tokenizers[column] = Tokenizer.load(path, settings=settings, column=column)
        return self._tokenizers[column]


def open_prepared(directory: Path) -> Prepared:
    """Open prepared data after a look at the manifest and every file's size.

    Raises:
        StorageError: nothing is there, or something is damaged.

    """
    mend = "delete the directory and prepare the data again"
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StorageError(f"{directory}: no prepared data; make them with `intelligen prepare`") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(f"{path}: damaged ({first['msg']}); {mend}") from error
    for name, size in manifest.files.items():
        found = (directory / name).stat().st_size if (directory / name).is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
            raise StorageError(f"{directory / name}: {state}; {mend}")
    return Prepared(directory, manifest)


def describe(prepared: Prepared) -> list[str]:
    """What was read, kept, left out and odd, in lines for people."""
    manifest = prepared.manifest
    settings = manifest.data.tokenizer
    sizes = {prepared.tokenizer(column).size for column in manifest.tokenizers}
    lines = [
        f"{'joint' if settings.joint else 'separate'} {settings.model} vocabulary:"
        f" {' and '.join(f'{size:,}' for size in sorted(sizes))} pieces"
    ]
    for name, split in manifest.splits.items():
        odd = [f"{count:,} {note.replace('_', ' ')}" for note, count in split.notes.items()]
        left_out = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in split.dropped.items()]
        lines.append(
            f"{name}: {split.kept:,} of {split.read:,} pairs kept"
            + (f"; left out: {', '.join(left_out)}" if left_out else "")
            + (f"; noted: {', '.join(odd)}" if odd else "")
        )
        lines += [
            f"  {column}: {report.tokens:,} tokens, {report.unknown / max(report.tokens, 1):.2%} unknown,"
            f" longest {report.longest}"
            for column, report in split.columns.items()
        ]
    return lines


def texts_file(split: str) -> str:
    """Raw texts of an evaluation split, one JSON object with its columns per row."""
    return f"{split}.texts.jsonl"


def tokens_file(split: str, column: str) -> str:
    """The column's tokens, one row after the other."""
    return f"{split}.{column}.tokens"


def offsets_file(split: str, column: str) -> str:
    """Where each row begins, and where the last one ends: int64."""
    return f"{split}.{column}.offsets"


def _map_column(directory: Path, split: str, column: str, report: ColumnReport) -> TokenColumn:
    tokens = directory / tokens_file(split, column)
    # An empty file cannot be mapped.
    mapped = np.memmap(tokens, dtype=report.dtype, mode="r") if report.tokens else np.empty(0, dtype=report.dtype)
    offsets = np.memmap(directory / offsets_file(split, column), dtype=np.int64, mode="r")
    # Plain arrays over the same pages: indexing a memmap object is several times slower.
    return TokenColumn(np.asarray(mapped), np.asarray(offsets))
