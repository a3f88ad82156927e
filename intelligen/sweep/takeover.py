"""After a turn the worst of a population go on from the best, with changed values (truncation selection).

Jaderberg et al. 2017 perturb values by 0.8 or 1.2, or draw them anew from where they first came from.

Who takes over from whom, and with which values, is a function of the trials' scores, the search's seed, the trial and
the epoch. So it does not depend on timing, and a killed sweep decides as an undisturbed one.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import optuna

from intelligen.config.base import content_hash
from intelligen.config.schedulers import Pbt
from intelligen.config.space import Space
from intelligen.sweep.space import suggest
from intelligen.tracking.records import Takeover


@dataclass(frozen=True)
class Member:
    """A trial at the end of a turn."""

    trial: str
    score: float
    """The first objective after the turn; more is better."""
    params: Mapping[str, Any]
    """What it trained with."""


def takeovers(
    members: Sequence[Member], *, settings: Pbt, space: Mapping[str, Space], seed: int, epoch: int
) -> dict[str, Takeover]:
    """Trial → what it goes on from; nothing for those that go on as they are.

    Args:
        members: The population, as far as it is under way.
        settings: Quantile, and how values change.
        space: What the values come from.
        seed: The search's.
        epoch: The turn's last.

    """
    ranked = sorted(members, key=lambda member: (-member.score, member.trial))
    count = min(max(1, int(settings.quantile * len(members))), len(members) // 2)
    taken: dict[str, Takeover] = {}
    for loser in ranked[len(ranked) - count :]:
        rng = random.Random(int(content_hash(f"{seed}", loser.trial, f"{epoch}"), 16))
        donor = rng.choice(ranked[:count])
        if donor.score > loser.score:
            params = explored(donor.params, settings=settings, space=space, rng=rng)
            taken[loser.trial] = Takeover(epoch, donor.trial, params)
    return taken


def explored(
    params: Mapping[str, Any], *, settings: Pbt, space: Mapping[str, Space], rng: random.Random
) -> dict[str, Any]:
    """The values of a donor, each of them perturbed or drawn anew; its strategy stays."""
    explorer = _Explorer(params, settings, rng)
    # To `suggest` a trial is who answers `suggest_float` and `suggest_categorical`.
    suggest(cast(optuna.Trial, explorer), space)
    return explorer.params


class _Explorer:
    """Answers with what was taken over, changed."""

    def __init__(self, taken: Mapping[str, Any], settings: Pbt, rng: random.Random) -> None:
        self._taken = taken
        self._settings = settings
        self._rng = rng
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = self._taken[name]
        return self.params[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        # Drawn in any case, so that a value does not depend on the fate of those before it.
        anew, uniform, sign = self._rng.random(), self._rng.random(), self._rng.choice((-1, 1))
        if anew < self._settings.resample_probability:
            value = low * math.exp(uniform * math.log(high / low)) if log else low + uniform * (high - low)
            self.params[name] = min(max(value, low), high)
        else:
            value = self._taken[name] * (1 + sign * self._settings.perturbation)
            # A bound is no better than what was taken over; and a mixing weight of 0 would drop its strategy's state.
            self.params[name] = value if low <= value <= high else self._taken[name]
        return float(self.params[name])
