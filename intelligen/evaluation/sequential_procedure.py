"""Sequential procedure: a look after every seed; what is decided, or is unlikely to be, takes no more seeds.

How often it is wrong does not depend on who stops when: the levels account for all looks. docs/statistics.md has the
formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Comparison, Estimates, Verdict, decide, estimates
from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.significance import ALPHA, Difference

FUTILE_BELOW: Final = 0.10
"""A comparison with a smaller chance to be decided by the last look takes no more seeds."""


class End(StrEnum):
    """Why a comparison takes no more seeds."""

    DECIDED = "decided"
    FUTILE = "futile"
    """It is unlikely to be decided by the last look."""
    LAST = "last"
    """That was the last look."""


@dataclass(frozen=True)
class Looked:
    """A comparison as a look has found it."""

    comparison: Comparison
    end: End | None
    """None where it takes another seed."""

    @property
    def seeds(self) -> int:
        """By how many."""
        return self.comparison.difference.units


@dataclass(frozen=True)
class SequentialPlan:
    """What is fixed before the first run of a study."""

    looks: Looks
    family: int
    """Comparisons that are planned, those without a result among them."""
    margin: float
    """The largest difference that counts as none."""

    def look(self, differences: Sequence[Difference], *, seeds: int, higher_is_better: bool = True) -> list[Looked]:
        """Look at comparisons that belong together, after so many seeds.

        Args:
            differences: Of each comparison; of one that has ended before, as it was then. Its variance still counts,
                and what is found of it now does not.
            seeds: At which look this is.
            higher_is_better: Which way the metric points.

        """
        found = decide(
            differences,
            family=self.family,
            higher_is_better=higher_is_better,
            planned=self.looks.at_most,
            margin=self.margin,
            level=self.looks.level(seeds),
        )
        if not found:
            return []
        known = estimates(differences, planned=self.looks.at_most)
        chances = self.chances(np.array([one.delta for one in differences]), known._replace(units=seeds))
        return [Looked(one, self._end(one, chance, seeds)) for one, chance in zip(found, chances, strict=True)]

    def _end(self, found: Comparison, chance: float, seeds: int) -> End | None:
        if found.verdict is not Verdict.OPEN:
            return End.DECIDED
        if seeds >= self.looks.at_most:
            return End.LAST
        return End.FUTILE if chance < FUTILE_BELOW else None

    def chances(self, deltas: Floats, known: Estimates) -> Floats:
        """How likely each comparison is to be decided at the last look, by what is known now.

        Args:
            deltas: Of any leading axes.
            known: Of comparisons with equally many seeds.

        """
        from scipy import special

        left = self.looks.at_most - known.units
        at_last = known._replace(degrees=known.degrees + left, units=self.looks.at_most)
        level, share = self.looks.level(self.looks.at_most), ALPHA / self.family
        reach, within = at_last.half_width(level(share)), self.margin - at_last.half_width(level(2 * share))
        spread = np.sqrt(known.variances * (1 / known.units - 1 / self.looks.at_most))

        def below(bounds: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                chance: Floats = special.stdtr(known.degrees, (bounds - deltas) / spread)
            return chance

        different = 1 - below(reach) + below(-reach)
        return different + np.maximum(0.0, below(within) - below(-within))
