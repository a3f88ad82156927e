"""Interfaces of corpora and of readers: rows of a line of text for each column that a task has, wherever they lie."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from intelligen.config.schema.columns import Row


class Corpus(Protocol):
    """What every corpus can do, once it is opened for certain columns."""

    splits: tuple[str, ...]
    key: str
    """Of the splits in the settings, for messages that name a fix."""

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The rows of a split, always in the same order; what had to be fixed is counted in `notes`."""

    def locate(self, split: str, row: int) -> str:
        """Where a row is, for an error message; rows count from 0."""

    def fingerprint(self) -> str:
        """Content hash: of the same columns, equal fingerprints mean equal rows, wherever they lie."""


class SplitReader(ABC):
    """Reads the columns of a task in one split's files."""

    @property
    @abstractmethod
    def paths(self) -> tuple[Path, ...]:
        """The files that must be there."""

    @abstractmethod
    def rows(self, notes: Counter[str]) -> Iterator[Row]:
        """Always in the same order; what was fixed on the way is counted in `notes`."""

    @abstractmethod
    def locate(self, row: int) -> str:
        """`file:line` of a row, which counts from 0."""

    @abstractmethod
    def fingerprint(self) -> list[str]:
        """Hashes of what is read, and how it is read; paths do not count."""
