"""Class labels: the classes of a column are the labels of its training rows, sorted as text."""

from collections.abc import Mapping, Sequence

from intelligen.config.schema.columns import Column, labels_of
from intelligen.config.schema.data import Data
from intelligen.data.corpus_interface import Corpus
from intelligen.data.row_filters import Counts, training_rows
from intelligen.errors import DataError


class ClassLabels:
    """The classes of a column, each with its index."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._index = {label: index for index, label in enumerate(self.classes)}

    @property
    def size(self) -> int:
        """How many."""
        return len(self.classes)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The index of each label, as the only token of its row."""
        return [[self._index[text]] for text in texts]


def learn_classes(corpus: Corpus, columns: Sequence[Column], data: Data) -> dict[str, ClassLabels]:
    """Column → the labels of the training rows that the filters keep; of label columns alone.

    Raises:
        DataError: a row without a label, or all rows with the same one (file:line).

    """
    names = [column.name for column in columns]
    found: Mapping[str, set[str]] = {name: set() for name in labels_of(columns)}
    if not found:
        return {}
    indices, counts = {name: names.index(name) for name in found}, Counts()
    for row in training_rows(corpus, columns, data, counts):
        for name, labels in found.items():
            labels.add(row[indices[name]])
    for name, labels in found.items():
        if len(labels) == 1:
            raise DataError(
                f"{corpus.locate('train', 0)}: {name} is `{labels.pop()}` in all training rows that are kept (of"
                f" {counts.read:,}), and a classifier needs two classes at least; add rows of another class, or name"
                f" the field that holds the {name}"
            )
    return {name: ClassLabels(sorted(labels)) for name, labels in found.items()}
