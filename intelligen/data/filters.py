"""Training pairs may be left out, evaluation pairs never; either way everything odd is counted."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from intelligen.config.data import Data, Filters
from intelligen.data.corpora import PairCorpus
from intelligen.errors import DataError


@dataclass
class Counts:
    """What became of a split's pairs."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def training_pairs(corpus: PairCorpus, data: Data, counts: Counts) -> Iterator[tuple[str, str]]:
    """The training pairs that the filters keep, lower-cased where the settings say so."""
    for source, target in corpus.pairs("train", counts.notes):
        counts.read += 1
        reason = rejection(source, target, data.filters)
        if reason is not None:
            counts.dropped[reason] += 1
        else:
            yield _cased(source, target, data)


def trained_on(data: Data) -> Callable[[tuple[str, str]], tuple[str, str] | None]:
    """What training makes of a pair before it is cut into tokens; none where the filters leave it out."""

    def trained(pair: tuple[str, str]) -> tuple[str, str] | None:
        return _cased(*pair, data) if rejection(*pair, data.filters) is None else None

    return trained


def _cased(source: str, target: str, data: Data) -> tuple[str, str]:
    return (source.lower(), target.lower()) if data.lowercase else (source, target)


def evaluation_pairs(corpus: PairCorpus, split: str, data: Data, counts: Counts) -> Iterator[tuple[str, str]]:
    """All pairs of a validation or test split; an empty source stays and is counted.

    Raises:
        DataError: an empty reference, which nothing can be scored against.

    """
    for row, (source, target) in enumerate(corpus.pairs(split, counts.notes)):
        counts.read += 1
        if not target.strip():
            raise DataError(
                f"{corpus.locate(split, row)}: empty reference in split `{split}`:"
                " nothing can be scored against it; mend or remove the pair"
            )
        counts.notes["empty_source"] += not source.strip()
        yield _cased(source, target, data)


def rejection(source: str, target: str, filters: Filters) -> str | None:
    """Why a training pair is left out, or None where it is kept. Lengths are in characters."""
    if not source.strip() or not target.strip():
        return "empty"
    shorter, longer = sorted((len(source), len(target)))
    if shorter < filters.min_characters:
        return "too_short"
    if filters.max_characters is not None and longer > filters.max_characters:
        return "too_long"
    if filters.max_length_difference is not None and longer - shorter >= filters.max_length_difference:
        return "length_difference"
    return None
