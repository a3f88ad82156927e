"""Columns of a task: the texts of every row that models read or should write, and labels that they should choose."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Row = tuple[str, ...]
"""A text for each column, in the columns' order."""


@dataclass(frozen=True)
class Column:
    """One text or label of every row of the data."""

    name: str
    """Names the column's files, its vocabulary, and a field of the corpus."""
    read: bool
    """True: models read it. Evaluation splits are cut at `data.max_tokens` there, and it may be empty.

    False: what models should write or say. It is never cut, and an empty one in an evaluation split is refused, since
    nothing can be scored against it.
    """
    kind: Literal["text", "label"] = "text"
    """`label`: it has no vocabulary. A row's one token is the index of its class among the labels of the training
    split, sorted as text, and every row must have one."""
    several: bool = False
    """Of a text that models should write: a row may have several references, which `references` takes apart. Models
    train on the first one, and evaluation scores against all."""
    windowed: bool = False
    """Of a text: its task cuts it into windows, so that it may be of any length. `data.max_tokens` is not for it."""


SOURCE_AND_TARGET: tuple[Column, ...] = (Column("source", read=True), Column("target", read=False))


_BETWEEN_REFERENCES = " \u241f "
"""The visible symbol of the unit separator, which texts do not have."""


def joined_references(texts: Iterable[str]) -> str:
    """The references of a row as the text of its column; each different one once, in their order."""
    return _BETWEEN_REFERENCES.join(dict.fromkeys(texts))


def references(text: str) -> list[str]:
    """The references that a column's text holds: one, or those that `joined_references` has joined."""
    return text.split(_BETWEEN_REFERENCES)


def first_reference(text: str) -> str:
    """The one that models train on."""
    return text.partition(_BETWEEN_REFERENCES)[0]


def with_first_references(columns: Sequence[Column]) -> Callable[[Row], Row]:
    """What leaves a row of these columns as models train on it: with one reference where there may be several."""
    if not any(column.several for column in columns):
        return lambda row: row
    takers = [first_reference if column.several else str for column in columns]
    return lambda row: tuple([take(text) for take, text in zip(takers, row, strict=True)])


def labels_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of those that are labels."""
    return tuple(column.name for column in columns if column.kind == "label")


def texts_of(columns: Sequence[Column]) -> Callable[[Row], Row]:
    """What takes the texts out of a row of these columns."""
    texts = [index for index, column in enumerate(columns) if column.kind == "text"]
    if len(texts) == len(columns):
        return lambda row: row
    return lambda row: tuple([row[index] for index in texts])
