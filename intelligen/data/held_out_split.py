"""Held-out splits: drawn from the training split, by a hash of each row's content."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from itertools import accumulate, islice, repeat
from typing import NamedTuple, NoReturn

from intelligen.config.base import content_hash
from intelligen.config.schema.columns import Row
from intelligen.config.schema.split_forms import HeldOut, natural_group
from intelligen.data.corpus_interface import Corpus
from intelligen.errors import DataError

Comparable = Callable[[Row], Row | None]
"""What is trained on of a row; none where that is nothing."""


def as_it_is(row: Row) -> Row | None:
    """The row, if none of its texts is empty."""
    return row if all(map(str.strip, row)) else None


class _Candidate(NamedTuple):
    """A row of the training split, as draws look at it."""

    number: int
    """Of the row in the training split, from 0."""
    row: Row
    trained: Row | None
    """What is trained on of it."""
    groups: tuple[str, ...]
    """Its values of the fields by which splits are drawn in groups."""


@dataclass(frozen=True)
class _Drawn:
    """What the splits that are drawn have."""

    rows: dict[str, list[_Candidate]]
    """Split → its rows."""
    groups: dict[str, set[str]]
    """Split that is drawn in groups → its groups, in the order of a candidate's."""
    trained: set[Row | None]
    """What would be trained on of all those rows."""

    def has(self, candidate: _Candidate) -> bool:
        """Whether a split has the row, or its group."""
        if candidate.trained in self.trained:
            return True
        in_groups = zip(candidate.groups, self.groups.values(), strict=True) if self.groups else ()
        return any(group in drawn for group, drawn in in_groups)


class HeldOutRows:
    """A corpus some of whose splits are drawn from `train`, which loses them.

    Only rows that training would keep are drawn. A drawn row is in one split alone: rows that training could not
    distinguish from it are removed from `train`, and splits draw one after the other. Of a split that is drawn in
    groups, so are all rows of its groups.

    Args:
        corpus: Has `train`, and the splits that are not drawn.
        held_out: Split → how many distinct rows it draws.
        comparable: What is trained on of a row.
        groups: Of splits that are drawn in groups, each with a corpus whose `train` has the same rows, and their group
            as the last text.

    """

    def __init__(
        self,
        corpus: Corpus,
        held_out: Mapping[str, int],
        comparable: Comparable = as_it_is,
        groups: Mapping[str, Corpus] | None = None,
    ) -> None:
        self._corpus = corpus
        self._comparable = comparable
        self.key = corpus.key
        # In an order of its own, so that the order of the settings does not matter.
        every, first = {*corpus.splits, *held_out}, ("train", "valid", "test")
        self.splits = (*(split for split in first if split in every), *sorted(every - {*first}))
        self._held_out = {split: held_out[split] for split in self.splits if split in held_out}
        self._groups = {split: groups[split] for split in self.splits if groups and split in groups}

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows; those of `train` in its order, drawn ones in the order of their hashes.

        What `train` has lost is counted in `notes` as `held_out`.

        Raises:
            DataError: see the corpus; `train` has too few rows to draw from.

        """
        if split in self._held_out:
            return (candidate.row for candidate in self._drawn.rows[split])
        if split == "train":
            return (candidate.row for candidate in self._left(Counter() if notes is None else notes))
        return self._corpus.rows(split, notes)

    def locate(self, split: str, row: int) -> str:
        """Where the row is in the corpus that it comes from."""
        if split in self._held_out:
            return self._corpus.locate("train", self._drawn.rows[split][row].number)
        if split == "train":
            row = next(islice((candidate.number for candidate in self._left(Counter())), row, None))
        return self._corpus.locate(split, row)

    def fingerprint(self) -> str:
        """Content hash of the corpus and of what is drawn from it."""
        drawn = [text for split, rows in self._held_out.items() for text in (split, str(rows))]
        grouped = [text for split, groups in self._groups.items() for text in (split, groups.fingerprint())]
        return content_hash("held out of what is kept", self._corpus.fingerprint(), *drawn, *grouped)

    @cached_property
    def _drawn(self) -> _Drawn:
        """Groups are drawn first: no other split is to take a row out of one."""
        drawn = _Drawn({}, {split: set() for split in self._groups}, set())
        for split in sorted(self._held_out, key=lambda split: split not in self._groups):
            free = partial(self._free, drawn)
            if split in self._groups:
                drawn.rows[split], chosen = self._grouped(split, free)
                drawn.groups[split].update(chosen)
            else:
                drawn.rows[split] = self._single(split, free)
            drawn.trained.update(candidate.trained for candidate in drawn.rows[split])
        return drawn

    def _single(self, split: str, free: Callable[[], Iterator[_Candidate]]) -> list[_Candidate]:
        wanted = self._held_out[split]
        found = _smallest(free(), wanted + 1, split)
        if len(found) <= wanted:
            self._refuse(split, most=max(len(found) - 1, 0), more="rows")
        return found[:wanted]

    def _grouped(
        self, split: str, free: Callable[[], Iterator[_Candidate]]
    ) -> tuple[list[_Candidate], Collection[str]]:
        """The rows of whole groups, those with the smallest hashes, until there are as many as are wanted."""
        place, wanted = list(self._groups).index(split), self._held_out[split]
        sizes: dict[str, set[int]] = {}
        for candidate in free():
            sizes.setdefault(candidate.groups[place], set()).add(hash(candidate.trained))
        order = sorted(sizes, key=lambda group: _key(group, split))
        totals = list(accumulate(len(sizes[group]) for group in order))
        # One group at least is left to train on.
        if not totals[:-1] or totals[-2] < wanted:
            self._refuse(split, most=totals[-2] if totals[:-1] else 0, more="groups")
        chosen = {group: rank for rank, group in enumerate(order[: bisect_left(totals, wanted) + 1])}
        distinct = {
            candidate.trained: candidate
            for candidate in reversed([one for one in free() if one.groups[place] in chosen])
        }
        return sorted(distinct.values(), key=lambda one: (chosen[one.groups[place]], one.number)), chosen

    def _refuse(self, split: str, *, most: int, more: str) -> NoReturn:
        tenth = f"; a tenth of them leaves enough to train on: -o {self.key}.{split}.rows={max(1, most // 10)}"
        fix = tenth if most else f": give train more {more}"
        wanted = f"split `{split}` draws {self._held_out[split]:,} rows from train"
        raise DataError(f"{wanted}, which has at most {most:,} to give{fix}")

    def _candidates(self, notes: Counter[str] | None = None) -> Iterator[_Candidate]:
        rows = self._corpus.rows("train", notes)
        groups = [(row[-1] for row in corpus.rows("train")) for corpus in self._groups.values()]
        of_rows = zip(*groups, strict=True) if groups else repeat(())
        for number, (row, of_row) in enumerate(zip(rows, of_rows, strict=bool(groups))):
            yield _Candidate(number, row, self._comparable(row), of_row)

    def _free(self, drawn: _Drawn) -> Iterator[_Candidate]:
        """Rows that training would keep and no split has drawn."""
        return (one for one in self._candidates() if one.trained is not None and not drawn.has(one))

    def _left(self, notes: Counter[str]) -> Iterator[_Candidate]:
        """The rows that `train` keeps."""
        drawn = self._drawn
        for candidate in self._candidates(notes):
            if drawn.has(candidate):
                notes["held_out"] += 1
            else:
                yield candidate


def held_out_fix(key: str, split: str, *, rows: int = 500) -> str:
    """What to type so that a split is drawn from the training data; `key` is that of the splits."""
    drawn = f"{{from: train, rows: {rows}}}"
    return f"draw it from train: -o '{key}.{split}={drawn}'"


def drawn_splits(splits: Mapping[str, object]) -> dict[str, int]:
    """The splits of a corpus' settings that are drawn, and how many rows each."""
    return {split: value.rows for split, value in splits.items() if isinstance(value, HeldOut)}


def drawn_groups(splits: Mapping[str, object]) -> dict[str, str]:
    """Those that are drawn in groups, and the field that names a row's group; of questions and dialogues all are."""
    natural = natural_group(splits["train"])
    drawn = {split: value.group or natural for split, value in splits.items() if isinstance(value, HeldOut)}
    return {split: group for split, group in drawn.items() if group is not None}


def _key(text: str, salt: str) -> bytes:
    """Each split has its own salt: how many rows another one draws moves none of its own but those both would draw."""
    return blake2b(text.encode(), digest_size=16, key=salt.encode()).digest()


def _smallest(candidates: Iterable[_Candidate], count: int, salt: str) -> list[_Candidate]:
    """The `count` rows with the smallest hashes of what is trained on of them, which is distinct; smallest first.

    Memory is bounded by the count.
    """
    kept: dict[bytes, _Candidate] = {}
    bound = b"\xff" * 16
    for candidate in candidates:
        assert candidate.trained is not None
        key = _key("\n".join(candidate.trained), salt)
        if key >= bound or key in kept:
            continue
        kept[key] = candidate
        if len(kept) >= 2 * count:
            kept = dict(sorted(kept.items())[:count])
            bound = max(kept)
    return [candidate for _, candidate in sorted(kept.items())[:count]]
