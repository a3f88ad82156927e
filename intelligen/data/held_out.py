"""Splits that are drawn from the training split: by a hash of a pair's content, so that the same pairs are drawn
wherever they stand in it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from intelligen.config.base import content_hash
from intelligen.config.data import HeldOut
from intelligen.errors import DataError

if TYPE_CHECKING:
    from intelligen.data.corpora import PairCorpus

Pair = tuple[str, str]
Comparable = Callable[[Pair], Pair | None]
"""What is trained on of a pair; none where that is nothing."""


def as_it_is(pair: Pair) -> Pair | None:
    """The pair, if it has two sides."""
    return pair if all(map(str.strip, pair)) else None


@dataclass(frozen=True)
class _Drawn:
    """A pair, and where it first stands in the training split."""

    pair: Pair
    row: int


class HeldOutPairs:
    """A corpus some of whose splits are drawn from `train`, which loses them.

    Drawn are pairs that training would keep. A drawn pair is in one split alone: whatever training would not tell from
    it is removed from `train`, and splits draw in turn.

    Args:
        corpus: Has `train`, and the splits that are not drawn.
        held_out: Split → how many distinct pairs it draws.
        comparable: What is trained on of a pair.

    """

    def __init__(self, corpus: "PairCorpus", held_out: Mapping[str, int], comparable: Comparable = as_it_is) -> None:
        self._corpus = corpus
        self._comparable = comparable
        self.key = corpus.key
        # In an order of its own, so that the order of the settings does not matter.
        self.splits = ("train", "valid", "test", *sorted({*corpus.splits, *held_out} - {"train", "valid", "test"}))
        self._held_out = {split: held_out[split] for split in self.splits if split in held_out}

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[Pair]:
        """The split's pairs; those of `train` in its order, drawn ones in the order of their hashes.

        What `train` has lost is counted in `notes` as `held_out`.

        Raises:
            DataError: see the corpus; `train` has too few pairs to draw from.

        """
        if split in self._held_out:
            return (drawn.pair for drawn in self._draws[split])
        pairs = self._corpus.pairs(split, notes)
        return self._left(pairs, Counter() if notes is None else notes) if split == "train" else pairs

    def locate(self, split: str, row: int) -> str:
        """Where the pair is in the corpus that it comes from."""
        if split in self._held_out:
            return self._corpus.locate("train", self._draws[split][row].row)
        if split == "train":
            taken = self._taken
            rows = (row for row, pair in enumerate(self._corpus.pairs("train")) if self._comparable(pair) not in taken)
            row = next(islice(rows, row, None))
        return self._corpus.locate(split, row)

    def fingerprint(self) -> str:
        """Content hash of the corpus and of what is drawn from it."""
        drawn = (text for split, rows in self._held_out.items() for text in (split, str(rows)))
        return content_hash("held out of what is kept", self._corpus.fingerprint(), *drawn)

    @cached_property
    def _draws(self) -> dict[str, list[_Drawn]]:
        draws: dict[str, list[_Drawn]] = {}
        taken: set[Pair | None] = set()
        for split, wanted in self._held_out.items():
            found = _smallest(self._corpus.pairs("train"), wanted + 1, split, taken, self._comparable)
            if len(found) <= wanted:
                most = max(len(found) - 1, 0)
                fix = f"-o {self.key}.{split}.rows={most}" if most else "give train more pairs"
                raise DataError(
                    f"split `{split}` draws {wanted:,} pairs from train, which can give {most:,} and must keep one:"
                    f" {fix}"
                )
            draws[split] = found[:wanted]
            taken |= set(map(self._drawn_of, draws[split]))
        return draws

    @cached_property
    def _taken(self) -> set[Pair | None]:
        return {self._drawn_of(drawn) for draws in self._draws.values() for drawn in draws}

    def _drawn_of(self, drawn: _Drawn) -> Pair | None:
        return self._comparable(drawn.pair)

    def _left(self, pairs: Iterable[Pair], notes: Counter[str]) -> Iterator[Pair]:
        taken = self._taken
        for pair in pairs:
            if self._comparable(pair) in taken:
                notes["held_out"] += 1
            else:
                yield pair


def held_out_fix(key: str, split: str, *, rows: int = 500) -> str:
    """What to type so that a split is drawn from the training data; `key` is that of the splits."""
    drawn = f"{{from: train, rows: {rows}}}"
    return f"draw it from train: -o '{key}.{split}={drawn}'"


def drawn_splits(splits: Mapping[str, object]) -> dict[str, int]:
    """The splits of a corpus' settings that are drawn, and how many pairs each."""
    return {split: value.rows for split, value in splits.items() if isinstance(value, HeldOut)}


def _smallest(
    pairs: Iterable[Pair], count: int, salt: str, taken: set[Pair | None], comparable: Comparable
) -> list[_Drawn]:
    """The `count` pairs with the smallest hashes of what is trained on of them, which is distinct; smallest first.

    Memory is bounded by the count. Each split has its own salt: how many pairs another one draws moves none of its own
    but those that both would draw.
    """
    kept: dict[bytes, _Drawn] = {}
    bound = b"\xff" * 16
    for row, pair in enumerate(pairs):
        trained = comparable(pair)
        if trained is None or trained in taken:
            continue
        key = blake2b("\n".join(trained).encode(), digest_size=16, key=salt.encode()).digest()
        if key >= bound or key in kept:
            continue
        kept[key] = _Drawn(pair, row)
        if len(kept) >= 2 * count:
            kept = dict(sorted(kept.items())[:count])
            bound = max(kept)
    return [drawn for _, drawn in sorted(kept.items())[:count]]
