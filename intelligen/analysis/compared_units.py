"""Units of a study: what its differences vary between, seeds of one configuration or searches; and their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from intelligen.config.schema.replicates import Replicate, replicates
from intelligen.config.schema.sweep import Sweep


@dataclass(frozen=True)
class Units:
    """What a study's comparisons are decided over."""

    searches: tuple[Replicate, ...]
    """Where there are several, they are the units, each the mean of its seeds; else the seeds are."""

    @classmethod
    def of(cls, sweep: Sweep, *, seed: int) -> Self:
        """Those of a sweep, where the trials of its first search have this seed."""
        return cls(sweep.search.all_replicates(seed))

    @classmethod
    def recorded(cls, fingerprint: Mapping[str, Any]) -> Self:
        """Those that a ledger's fingerprint has."""
        search = fingerprint.get("sweep", {}).get("search", {})
        count, search_seed = search.get("replicates", 1), search.get("seed", 0)
        return cls(replicates(count, seed=fingerprint["experiment"]["seed"], search_seed=search_seed))

    @property
    def are_searches(self) -> bool:
        """Whether what is shown is shown of a row, and not only of the configurations that one search has found."""
        return len(self.searches) > 1

    @property
    def word(self) -> str:
        """Of several units."""
        return "searches" if self.are_searches else "seeds"

    def of_seeds(self, seeds: Sequence[int]) -> list[int] | None:
        """The search that each of these is of, by its number; None where each seed is a unit."""
        if not self.are_searches:
            return None
        return [next(one.number for one in self.searches if seed in one) for seed in seeds]

    def count(self, seeds: Sequence[int]) -> int:
        """How many units these are of."""
        return len(set(self.of_seeds(seeds) or seeds))

    def counted(self, seeds: Sequence[int]) -> str:
        """`6 seeds`, or `3 searches with 2 seeds each`."""
        count = self.count(seeds)
        each = f" with {len(seeds) // count} seeds each" if self.are_searches and count else ""
        return f"{count} {self.word}{each}"
