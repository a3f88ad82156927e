"""Prepared data, as read: token arrays, evaluation texts, vocabularies; whole or absent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from intelligen.data.checksums import sha256_once
from intelligen.data.data_manifest import ColumnReport, Manifest, prepare_again, read_manifest
from intelligen.data.vocabulary_file import Vocabulary, open_vocabulary
from intelligen.errors import StorageError

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenColumn:
    """Rows of tokens, without BOS and EOS, mapped from disk: row i is tokens[offsets[i]:offsets[i + 1]]."""

    tokens: npt.NDArray[Any]
    offsets: Int64s

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "TokenColumn":
        """Rows that are in memory."""
        tokens = np.fromiter((token for row in rows for token in row), np.int64)
        return cls(tokens, np.cumsum([0, *map(len, rows)], dtype=np.int64))

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
        assert self.texts_path is not None, f"split {self.name} has no texts"
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
        self._tokenizers: dict[str, Vocabulary] = {}

    @property
    def identity(self) -> str:
        """Content hash of settings and corpus; the directory's name."""
        return self.manifest.identity

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.manifest.splits)

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
            StorageError: one of its files is damaged.

        """
        columns = {
            column: _map_column(self._whole(tokens_file(name, column)), self._whole(offsets_file(name, column)), report)
            for column, report in self.manifest.splits[name].columns.items()
        }
        texts = texts_file(name)
        return Split(name, columns, self._whole(texts) if texts in self.manifest.files else None)

    def tokenizer(self, column: str) -> Vocabulary:
        """The vocabulary of a text column.

        Raises:
            StorageError: its file is damaged.

        """
        if column not in self._tokenizers:
            path, manifest = self.vocabulary_file(column), self.manifest
            found = open_vocabulary(path, manifest.data, learnt_by=manifest.tokenizer, column=column)
            self._tokenizers[column] = found
        return self._tokenizers[column]

    def vocabulary_file(self, column: str) -> Path:
        """The file of a text column's vocabulary.

        Raises:
            StorageError: it is damaged.

        """
        return self._whole(self.manifest.tokenizers[column])

    def classes(self, column: str) -> tuple[str, ...]:
        """The classes of a label column, in the order of their indices."""
        return self.manifest.classes[column]

    @property
    def vocabularies(self) -> dict[str, int]:
        """Text column → tokens of its vocabulary, the special ones included.

        Raises:
            StorageError: a vocabulary's file is damaged.

        """
        return {column: self.tokenizer(column).size for column in self.manifest.tokenizers}

    def file_hash(self, name: str) -> str:
        """SHA-256 of a file, which is what was prepared.

        Raises:
            StorageError: it is damaged.

        """
        return sha256_once(self._whole(name))

    @property
    def vocabulary_hashes(self) -> dict[str, str]:
        """Column → SHA-256 of its vocabulary's file.

        Raises:
            StorageError: a vocabulary's file is damaged.

        """
        return {column: self.file_hash(name) for column, name in self.manifest.tokenizers.items()}

    def verify(self) -> None:
        """Look at every file's content.

        Raises:
            StorageError: one is damaged.

        """
        for name in self.manifest.files:
            self._whole(name)

    def _whole(self, name: str) -> Path:
        """The path of a file whose content is what was prepared; the first release wrote no hashes to check it."""
        path, hashes = self.directory / name, self.manifest.sha256
        if hashes is not None and sha256_once(path) != hashes.get(name):
            raise StorageError(f"{path}: damaged (its SHA-256 does not match); {prepare_again(self.directory)}")
        return path


def open_prepared(directory: Path) -> Prepared:
    """Open prepared data after a look at the manifest and every file's size; contents are checked when they are read.

    Raises:
        StorageError: nothing is there, or something is damaged.

    """
    manifest = read_manifest(directory)
    for name, size in manifest.files.items():
        found = (directory / name).stat().st_size if (directory / name).is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
            raise StorageError(f"{directory / name}: {state}; {prepare_again(directory)}")
    return Prepared(directory, manifest)


def texts_file(split: str) -> str:
    """Raw texts of an evaluation split, one JSON object with its columns per row."""
    return f"{split}.texts.jsonl"


def tokens_file(split: str, column: str) -> str:
    """The column's tokens, one row after the other."""
    return f"{split}.{column}.tokens"


def offsets_file(split: str, column: str) -> str:
    """Where each row begins, and where the last one ends: int64."""
    return f"{split}.{column}.offsets"


def _map_column(tokens: Path, offsets: Path, report: ColumnReport) -> TokenColumn:
    # An empty file cannot be mapped.
    mapped = np.memmap(tokens, dtype=report.dtype, mode="r") if report.tokens else np.empty(0, dtype=report.dtype)
    # Plain arrays over the same pages: indexing a memmap object is several times slower.
    return TokenColumn(np.asarray(mapped), np.asarray(np.memmap(offsets, dtype=np.int64, mode="r")))
