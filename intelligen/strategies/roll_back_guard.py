"""Roll-back guard: where validation falls again and again, training goes back to good weights."""

from collections.abc import Mapping
from typing import Any

from intelligen.config.schema.strategy_mixture import Guard, MixtureMember
from intelligen.strategies.mixture_policies import Selection


class RollBackGuard:
    """Counts harmful epochs in a row; at each roll-back the mass of every strategy but `standard` is halved for good.

    An epoch is harmful where its score lies more than δ below the best so far, that of epoch 0 included. An epoch
    whose score is missing or not finite is neither harmful nor harmless.

    Args:
        settings: δ and patience; without δ the guard sleeps.
        selection: The score it listens to.

    """

    def __init__(self, settings: Guard, *, selection: Selection) -> None:
        self._settings = settings
        self._selection = selection
        self._best: float | None = None
        self._strikes = 0
        self._roll_backs = 0

    @property
    def mass(self) -> float:
        """What is left of each strategy's share but `standard`'s: 1, 1/2, 1/4, …"""
        return 0.5**self._roll_backs

    def guarded(self, weights: Mapping[MixtureMember, float]) -> dict[MixtureMember, float]:
        """The weights with the freed mass moved to `standard`."""
        freed = (1.0 - self.mass) * sum(weight for name, weight in weights.items() if name != "standard")
        kept = {name: weight if name == "standard" else self.mass * weight for name, weight in weights.items()}
        return {**kept, "standard": kept.get("standard", 0.0) + freed}

    def observe(self, metrics: Mapping[str, float]) -> bool:
        """Hear an epoch's metrics; whether training is to go back to the last good weights."""
        score = self._selection.value(metrics)
        if self._settings.drop is None or score is None:
            return False
        self._best = score if self._best is None else max(self._best, score)
        self._strikes = self._strikes + 1 if self._best - score > self._settings.drop else 0
        if self._strikes < self._settings.patience:
            return False
        self._strikes = 0
        self._roll_backs += 1
        return True

    def state_dict(self) -> dict[str, Any]:
        """The best score (more is better), the strikes and the roll-backs so far."""
        return {"best": self._best, "strikes": self._strikes, "roll_backs": self._roll_backs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._best, self._strikes, self._roll_backs = state["best"], state["strikes"], state["roll_backs"]
