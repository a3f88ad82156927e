"""Filters of rows: training rows may be left out, evaluation rows never; all oddities are counted."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from intelligen.config.schema.columns import Column, Row, labels_of, texts_of, with_first_references
from intelligen.config.schema.data import Data, Filters
from intelligen.data.augmentation import copies_of
from intelligen.data.corpus_interface import Corpus
from intelligen.data.held_out_split import Comparable
from intelligen.data.json_fields import nearest_of
from intelligen.errors import DataError


@dataclass
class Counts:
    """What became of a split's rows."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def augmented_rows(corpus: Corpus, columns: Sequence[Column], data: Data, counts: Counts) -> Iterator[Row]:
    """The training rows, each with the copies behind it that the settings ask for; these are counted in the notes."""
    copies = copies_of(columns, data.augment)
    for row in training_rows(corpus, columns, data, counts):
        yield row
        for copy in copies(row, counts.read):
            counts.notes["augmented"] += 1
            yield copy


def training_rows(corpus: Corpus, columns: Sequence[Column], data: Data, counts: Counts) -> Iterator[Row]:
    """The training rows that the filters keep, lower-cased where the settings say so.

    Raises:
        DataError: a row without a label (file:line).

    """
    rejected, written, labels = _rejection(columns, data.filters), _written(columns, data), _labels(columns)
    for index, row in enumerate(map(with_first_references(columns), corpus.rows("train", counts.notes))):
        counts.read += 1
        for name, column in labels:
            _require_label(row[column], name, corpus, "train", index)
        reason = rejected(row)
        if reason is not None:
            counts.dropped[reason] += 1
        else:
            yield written(row)


def trained_on(data: Data, columns: Sequence[Column]) -> Comparable:
    """What training makes of a row before it is cut into tokens; none where the filters leave it out."""
    rejected, written, labels = _rejection(columns, data.filters), _written(columns, data), _labels(columns)
    first = with_first_references(columns)

    def trained(row: Row) -> Row | None:
        row = first(row)
        complete = all(row[column].strip() for _, column in labels)
        return written(row) if complete and rejected(row) is None else None

    return trained


def evaluation_rows(
    corpus: Corpus,
    split: str,
    columns: Sequence[Column],
    data: Data,
    counts: Counts,
    classes: Mapping[str, Collection[str]] = {},
) -> Iterator[Row]:
    """All rows of a validation or test split; an empty text that models read stays and is counted.

    Args:
        corpus: Has the split.
        split: Its name.
        columns: Of its rows.
        data: How they are written.
        counts: Counters.
        classes: Label column → the labels that training shows.

    Raises:
        DataError: a row without a label, or with one that training never shows; an empty text that models should write
            or say, which nothing can be scored against (file:line).

    """
    written = _written(columns, data)
    for index, row in enumerate(corpus.rows(split, counts.notes)):
        counts.read += 1
        for column, text in zip(columns, row, strict=True):
            if column.kind == "label":
                _require_label(text, column.name, corpus, split, index, classes[column.name])
            elif column.read:
                counts.notes[f"empty_{column.name}"] += not text.strip()
            elif not text.strip():
                raise DataError(
                    f"{corpus.locate(split, index)}: empty {column.name} in split `{split}`:"
                    " it cannot be scored; fix or remove the row"
                )
        yield written(row)


def rejection(texts: Row, filters: Filters, *, may_be_empty: Collection[int] = ()) -> str | None:
    """Why a training row is left out, or None where it is kept. Lengths are in characters.

    Args:
        texts: Of the row.
        filters: Bounds. A `min_characters` of 1 leaves out none of the empty texts that there may be.
        may_be_empty: Indices of such texts.

    """
    for index, text in enumerate(texts):
        if not text.strip() and index not in may_be_empty:
            return "empty"
    shortest = min(map(len, texts))
    if shortest < filters.min_characters > 1:
        return "too_short"
    if filters.max_characters is not None and max(map(len, texts)) > filters.max_characters:
        return "too_long"
    if filters.max_length_difference is not None and max(map(len, texts)) - shortest >= filters.max_length_difference:
        return "length_difference"
    return None


def _rejection(columns: Sequence[Column], filters: Filters) -> Callable[[Row], str | None]:
    """`rejection` of whole rows. Beside a label, a text that models read may be empty: it has a class like others."""
    texts, labelled = texts_of(columns), bool(labels_of(columns))
    read = [column.read for column in columns if column.kind == "text"]
    may_be_empty = frozenset(index for index, one in enumerate(read) if one and labelled)
    return lambda row: rejection(texts(row), filters, may_be_empty=may_be_empty)


def _written(columns: Sequence[Column], data: Data) -> Callable[[Row], Row]:
    """A row as it is encoded: texts lower-cased where the settings say so, labels without spaces around them."""
    if not labels_of(columns):
        return (lambda row: tuple([text.lower() for text in row])) if data.lowercase else lambda row: row
    text_as_it_is: Callable[[str], str] = str.lower if data.lowercase else str
    writers = [str.strip if column.kind == "label" else text_as_it_is for column in columns]
    return lambda row: tuple([write(text) for write, text in zip(writers, row, strict=True)])


def _labels(columns: Sequence[Column]) -> list[tuple[str, int]]:
    return [(column.name, index) for index, column in enumerate(columns) if column.kind == "label"]


def _require_label(
    label: str, name: str, corpus: Corpus, split: str, row: int, classes: Collection[str] | None = None
) -> None:
    label = label.strip()
    if not label:
        raise DataError(
            f"{corpus.locate(split, row)}: a row without a {name} in split `{split}`; fix or remove the row"
        )
    if classes is not None and label not in classes:
        raise DataError(
            f"{corpus.locate(split, row)}: {name} `{label}` in split `{split}` is in no training row"
            f"{nearest_of(label, classes)}; fix or remove the row, or give train rows that have it"
        )
