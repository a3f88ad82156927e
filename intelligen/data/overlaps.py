"""Rows that several splits share, and rows that repeat within one, counted by 64-bit hashes of their content.

A row of train takes 8 bytes of memory. The hashes are Python's own (SipHash), which differ from process to process and
are kept nowhere. Two of n different rows have the same one with a probability of n² / 2⁶⁵: 10⁻⁶ for five million.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from intelligen.data.manifest import Overlap

Pair = tuple[str, str]
Hashes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowHashes:
    """The rows of an evaluation split by hashes, in their order."""

    pairs: Hashes
    sources: Hashes

    @classmethod
    def of(cls, rows: Iterable[Pair]) -> "RowHashes":
        """Hash rows; they are read once and not kept."""
        pairs, sources = array("q"), array("q")
        for pair in rows:
            pairs.append(hash(pair))
            sources.append(hash(pair[0]))
        return cls(np.frombuffer(pairs, dtype=np.int64), np.frombuffer(sources, dtype=np.int64))

    def holds_the_same_as(self, other: "RowHashes") -> bool:
        """Whether both have the same pairs, in whatever order."""
        return np.array_equal(np.sort(self.pairs), np.sort(other.pairs))

    @property
    def duplicates(self) -> int:
        """Rows whose pair is in an earlier row."""
        return len(self.pairs) - len(np.unique(self.pairs))


class Comparison:
    """Compares the splits of a corpus while `train`, too long for memory, is read once.

    Args:
        evaluation: The other splits.

    """

    def __init__(self, evaluation: Mapping[str, RowHashes]) -> None:
        self._evaluation = evaluation
        self._in_train = {split: (_Seen(rows.pairs), _Seen(rows.sources)) for split, rows in evaluation.items()}
        self._train = array("q")

    def add_train(self, pairs: Sequence[Pair]) -> None:
        """Take in further rows of `train`."""
        rows = RowHashes.of(pairs)
        self._train.frombytes(rows.pairs.tobytes())
        for seen_pairs, seen_sources in self._in_train.values():
            seen_pairs.mark(rows.pairs)
            seen_sources.mark(rows.sources)

    def duplicates(self) -> dict[str, int]:
        """Split → rows whose pair is in an earlier row of it."""
        train = np.frombuffer(self._train, dtype=np.int64)
        train.sort()  # in place: a copy would double the memory
        repeated = int(np.count_nonzero(train[1:] == train[:-1]))
        return {"train": repeated} | {split: rows.duplicates for split, rows in self._evaluation.items()}

    def overlaps(self) -> tuple[Overlap, ...]:
        """Of every two splits that share something: which rows of the later one are in the earlier one."""
        found = [_overlap(split, "train", *seen) for split, seen in self._in_train.items()]
        for (other, theirs), (split, rows) in combinations(self._evaluation.items(), 2):
            seen = _Seen(rows.pairs), _Seen(rows.sources)
            seen[0].mark(theirs.pairs)
            seen[1].mark(theirs.sources)
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
        places = np.minimum(np.searchsorted(self._distinct, hashes), len(self._distinct) - 1)
        self._seen[places[self._distinct[places] == hashes]] = True

    def rows(self) -> int:
        """Rows that were seen."""
        return int(self._counts[self._seen].sum())


def _overlap(split: str, other: str, pairs: _Seen, sources: _Seen) -> Overlap:
    return Overlap(split=split, other=other, rows=pairs.total, pairs=pairs.rows(), sources=sources.rows())
