"""Columns of a task: the texts of every row that its models read, and those that they should write."""

from dataclasses import dataclass

Row = tuple[str, ...]
"""A text for each column, in the columns' order."""


@dataclass(frozen=True)
class Column:
    """One text of every row of the data."""

    name: str
    """Names the column's files, its vocabulary, and a field of the corpus."""
    read: bool
    """True: models read it. Evaluation splits are cut at `data.max_tokens` there, and it may be empty.

    False: what models should write or say. It is never cut, and an empty one in an evaluation split is refused, since
    nothing can be scored against it.
    """


SOURCE_AND_TARGET: tuple[Column, ...] = (Column("source", read=True), Column("target", read=False))
