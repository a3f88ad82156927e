"""Replicates of a search: searches of one sweep that share its settings and no seed; a seed says whose it is."""

from dataclasses import dataclass
from typing import Final

SEEDS_APART: Final = 1000
"""Between the seeds of one search and of the next; those that confirm are fewer."""
MOST_REPLICATES: Final = 100
_MOST_SEEDS: Final = 2**32


@dataclass(frozen=True)
class Replicate:
    """One of a sweep's searches."""

    number: int
    """From 1."""
    seed: int
    """Of its trials. Those that confirm what it found follow it."""
    search_seed: int
    """Of its suggestions."""

    def __contains__(self, seed: int) -> bool:
        """Whether a trial with this seed is of this search."""
        return self.seed <= seed < self.seed + SEEDS_APART


def begins_a_search(seed: int, *, first: int) -> bool:
    """Whether this is the seed of a search's own trials, where `first` is that of some search's."""
    return (seed - first) % SEEDS_APART == 0


def replicates(count: int, *, seed: int, search_seed: int) -> tuple[Replicate, ...]:
    """The searches of a sweep.

    Args:
        count: How many.
        seed: Of the first one's trials.
        search_seed: Of its suggestions.

    """
    return tuple(
        Replicate(number + 1, seed + SEEDS_APART * number, (search_seed + number) % _MOST_SEEDS)
        for number in range(count)
    )
