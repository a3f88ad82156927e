"""Filters of rows: training rows may be left out, evaluation rows never; all oddities are counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Data, Filters
from intelligen.data.corpus_interface import Corpus
from intelligen.data.held_out_split import Comparable
from intelligen.errors import DataError


@dataclass
class Counts:
    """What became of a split's rows."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def training_rows(corpus: Corpus, data: Data, counts: Counts) -> Iterator[Row]:
    """The training rows that the filters keep, lower-cased where the settings say so."""
    for row in corpus.rows("train", counts.notes):
        counts.read += 1
        reason = rejection(row, data.filters)
        if reason is not None:
            counts.dropped[reason] += 1
        else:
            yield _cased(row, data)


def trained_on(data: Data) -> Comparable:
    """What training makes of a row before it is cut into tokens; none where the filters leave it out."""

    def trained(row: Row) -> Row | None:
        return _cased(row, data) if rejection(row, data.filters) is None else None

    return trained


def _cased(row: Row, data: Data) -> Row:
    return tuple([text.lower() for text in row]) if data.lowercase else row


def evaluation_rows(corpus: Corpus, split: str, columns: Sequence[Column], data: Data, counts: Counts) -> Iterator[Row]:
    """All rows of a validation or test split; an empty text that models read stays and is counted.

    Raises:
        DataError: an empty text that they should write or say, which nothing can be scored against.

    """
    for index, row in enumerate(corpus.rows(split, counts.notes)):
        counts.read += 1
        for column, text in zip(columns, row, strict=True):
            if column.read:
                counts.notes[f"empty_{column.name}"] += not text.strip()
            elif not text.strip():
                raise DataError(
                    f"{corpus.locate(split, index)}: empty {column.name} in split `{split}`:"
                    " it cannot be scored; fix or remove the row"
                )
        yield _cased(row, data)


def rejection(row: Row, filters: Filters) -> str | None:
    """Why a training row is left out, or None where it is kept. Lengths are in characters."""
    for text in row:
        if not text.strip():
            return "empty"
    shortest = min(map(len, row))
    if shortest < filters.min_characters:
        return "too_short"
    if filters.max_characters is not None and max(map(len, row)) > filters.max_characters:
        return "too_long"
    if filters.max_length_difference is not None and max(map(len, row)) - shortest >= filters.max_length_difference:
        return "length_difference"
    return None
