"""Overlap of splits: rows that several splits share or that repeat in one, counted by 64-bit hashes.

A row of train takes 8 bytes of memory. The hashes are Python's own (SipHash), which differ from process to process and
are kept nowhere. Two of n different rows have the same one with a probability of n² / 2⁶⁵: 10⁻⁶ for five million.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from intelligen.config.schema.columns import Column, Row, with_first_references
from intelligen.data.data_manifest import Overlap

Hashes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowHashes:
    """The rows of a split by hashes, in their order."""

    rows: Hashes
    """Of whole rows."""
    inputs: Hashes
    """Of what models read of them; of whole rows where they read none of the columns."""

    @classmethod
    def of(cls, rows: Iterable[Row], columns: Sequence[Column]) -> "RowHashes":
        """Hash rows; they are read once and not kept."""
        read = [index for index, column in enumerate(columns) if column.read]
        input_of = itemgetter(*(read or range(len(columns))))
        whole, inputs = array("q"), array("q")
        for row in map(with_first_references(columns), rows):  # train has no others
            whole.append(hash(row))
            inputs.append(hash(input_of(row)))
        return cls(np.frombuffer(whole, dtype=np.int64), np.frombuffer(inputs, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def holds_the_same_as(self, other: "RowHashes") -> bool:
        """Whether both have the same rows, in whatever order."""
        return np.array_equal(np.sort(self.rows), np.sort(other.rows))

    @property
    def duplicates(self) -> int:
        """Rows that repeat an earlier one."""
        return len(self) - len(np.unique(self.rows))


class OverlapCount:
    """Compares the splits of a corpus while `train`, too long for memory, is read once.

    Args:
        evaluation: The other splits.
        columns: Of all rows.

    """

    def __init__(self, evaluation: Mapping[str, RowHashes], columns: Sequence[Column]) -> None:
        self._evaluation = evaluation
        self._columns = columns
        self._in_train = {split: (_Seen(rows.rows), _Seen(rows.inputs)) for split, rows in evaluation.items()}
        self._train = array("q")

    def add_train(self, rows: Sequence[Row]) -> None:
        """Take in further rows of `train`."""
        hashes = RowHashes.of(rows, self._columns)
        self._train.frombytes(hashes.rows.tobytes())
        for seen_rows, seen_inputs in self._in_train.values():
            seen_rows.mark(hashes.rows)
            seen_inputs.mark(hashes.inputs)

    def duplicates(self) -> dict[str, int]:
        """Split → rows of it that repeat an earlier one."""
        train = np.frombuffer(self._train, dtype=np.int64)
        train.sort()  # in place: a copy would double the memory
        repeated = int(np.count_nonzero(train[1:] == train[:-1]))
        return {"train": repeated} | {split: rows.duplicates for split, rows in self._evaluation.items()}

    def overlaps(self) -> tuple[Overlap, ...]:
        """Of every two splits that share something: which rows of the later one are in the earlier one."""
        found = [_overlap(split, "train", *seen) for split, seen in self._in_train.items()]
        for (other, theirs), (split, ours) in combinations(self._evaluation.items(), 2):
            seen = _Seen(ours.rows), _Seen(ours.inputs)
            seen[0].mark(theirs.rows)
            seen[1].mark(theirs.inputs)
            found.append(_overlap(split, other, *seen))
        return tuple(overlap for overlap in found if overlap.sources)


class _Seen:
    """Which of an evaluation split's rows another split has."""

    def __init__(self, hashes: Hashes) -> None:
        self._distinct, self._counts = np.unique(hashes, return_counts=True)
        self._seen = np.zeros(len(self._distinct), dtype=bool)
        self.total = len(hashes)

    def mark(self, hashes: Hashes) -> None:
        """Note what the other split has."""
        indices = np.minimum(np.searchsorted(self._distinct, hashes), len(self._distinct) - 1)
        self._seen[indices[self._distinct[indices] == hashes]] = True

    def rows(self) -> int:
        """Rows that were seen."""
        return int(self._counts[self._seen].sum())

    def distinct(self) -> int:
        """Different ones among them."""
        return int(self._seen.sum())


def _overlap(split: str, other: str, rows: _Seen, inputs: _Seen) -> Overlap:
    sources, distinct = inputs.rows(), inputs.distinct()
    found = Overlap(split=split, other=other, rows=rows.total, pairs=rows.rows(), sources=sources)
    return found if distinct == sources else found.model_copy(update={"distinct": distinct})
