"""Interface of corpora: named splits of rows, a line of text for each column that a task has, wherever they lie."""

from collections import Counter
from collections.abc import Iterator
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
        """Where a row stands, for an error message; rows count from 0."""

    def fingerprint(self) -> str:
        """Content hash: of the same columns, equal fingerprints mean equal rows, wherever they lie."""
