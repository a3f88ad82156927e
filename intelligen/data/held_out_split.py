"""Held-out splits: drawn from the training split, by a hash of each row's content."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import islice

from intelligen.config.base import content_hash
from intelligen.config.schema.columns import Row
from intelligen.config.schema.data import HeldOut
from intelligen.data.corpus_interface import Corpus
from intelligen.errors import DataError

Comparable = Callable[[Row], Row | None]
"""What is trained on of a row; none where that is nothing."""


def as_it_is(row: Row) -> Row | None:
    """The row, if none of its texts is empty."""
    return row if all(map(str.strip, row)) else None


@dataclass(frozen=True)
class _Drawn:
    """A row, and its first index in the training split."""

    row: Row
    index: int


class HeldOutRows:
    """A corpus some of whose splits are drawn from `train`, which loses them.

    Only rows that training would keep are drawn. A drawn row is in one split alone: rows that training could not
    distinguish from it are removed from `train`, and splits draw one after the other.

    Args:
        corpus: Has `train`, and the splits that are not drawn.
        held_out: Split → how many distinct rows it draws.
        comparable: What is trained on of a row.

    """

    def __init__(self, corpus: Corpus, held_out: Mapping[str, int], comparable: Comparable = as_it_is) -> None:
        self._corpus = corpus
        self._comparable = comparable
        self.key = corpus.key
        # In an order of its own, so that the order of the settings does not matter.
        self.splits = ("train", "valid", "test", *sorted({*corpus.splits, *held_out} - {"train", "valid", "test"}))
        self._held_out = {split: held_out[split] for split in self.splits if split in held_out}

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows; those of `train` in its order, drawn ones in the order of their hashes.

        What `train` has lost is counted in `notes` as `held_out`.

        Raises:
            DataError: see the corpus; `train` has too few rows to draw from.

        """
        if split in self._held_out:
            return (drawn.row for drawn in self._draws[split])
        rows = self._corpus.rows(split, notes)
        return self._left(rows, Counter() if notes is None else notes) if split == "train" else rows

    def locate(self, split: str, row: int) -> str:
        """Where the row is in the corpus that it comes from."""
        if split in self._held_out:
            return self._corpus.locate("train", self._draws[split][row].index)
        if split == "train":
            taken, rows = self._taken, enumerate(self._corpus.rows("train"))
            row = next(islice((index for index, one in rows if self._comparable(one) not in taken), row, None))
        return self._corpus.locate(split, row)

    def fingerprint(self) -> str:
        """Content hash of the corpus and of what is drawn from it."""
        drawn = (text for split, rows in self._held_out.items() for text in (split, str(rows)))
        return content_hash("held out of what is kept", self._corpus.fingerprint(), *drawn)

    @cached_property
    def _draws(self) -> dict[str, list[_Drawn]]:
        draws: dict[str, list[_Drawn]] = {}
        taken: set[Row | None] = set()
        for split, wanted in self._held_out.items():
            found = _smallest(self._corpus.rows("train"), wanted + 1, split, taken, self._comparable)
            if len(found) <= wanted:
                most = max(len(found) - 1, 0)
                fix = f"-o {self.key}.{split}.rows={most}" if most else "give train more rows"
                raise DataError(
                    f"split `{split}` draws {wanted:,} rows from train, which has at most {most:,} to give: {fix}"
                )
            draws[split] = found[:wanted]
            taken |= set(map(self._drawn_of, draws[split]))
        return draws

    @cached_property
    def _taken(self) -> set[Row | None]:
        return {self._drawn_of(drawn) for draws in self._draws.values() for drawn in draws}

    def _drawn_of(self, drawn: _Drawn) -> Row | None:
        return self._comparable(drawn.row)

    def _left(self, rows: Iterable[Row], notes: Counter[str]) -> Iterator[Row]:
        taken = self._taken
        for row in rows:
            if self._comparable(row) in taken:
                notes["held_out"] += 1
            else:
                yield row


def held_out_fix(key: str, split: str, *, rows: int = 500) -> str:
    """What to type so that a split is drawn from the training data; `key` is that of the splits."""
    drawn = f"{{from: train, rows: {rows}}}"
    return f"draw it from train: -o '{key}.{split}={drawn}'"


def drawn_splits(splits: Mapping[str, object]) -> dict[str, int]:
    """The splits of a corpus' settings that are drawn, and how many rows each."""
    return {split: value.rows for split, value in splits.items() if isinstance(value, HeldOut)}


def _smallest(
    rows: Iterable[Row], count: int, salt: str, taken: set[Row | None], comparable: Comparable
) -> list[_Drawn]:
    """The `count` rows with the smallest hashes of what is trained on of them, which is distinct; smallest first.

    Memory is bounded by the count. Each split has its own salt: how many rows another one draws moves none of its own
    but those that both would draw.
    """
    kept: dict[bytes, _Drawn] = {}
    bound = b"\xff" * 16
    for index, row in enumerate(rows):
        trained = comparable(row)
        if trained is None or trained in taken:
            continue
        key = blake2b("\n".join(trained).encode(), digest_size=16, key=salt.encode()).digest()
        if key >= bound or key in kept:
            continue
        kept[key] = _Drawn(row, index)
        if len(kept) >= 2 * count:
            kept = dict(sorted(kept.items())[:count])
            bound = max(kept)
    return [drawn for _, drawn in sorted(kept.items())[:count]]
