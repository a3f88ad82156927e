"""Policies of the mixture: weights of the single strategies, from training and validation alone.

A value that is missing or not finite is no measurement: it changes nothing, and no average ever contains it.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from intelligen.config.metric_direction import merit
from intelligen.config.schema.strategy_mixture import Bandit, Curriculum, Gap, MixtureMember, Static
from intelligen.strategies.base import UpdateContext

EXPOSURE_GAP = "valid/exposure_gap"
EPOCH_SECONDS = "time/epoch_s"


def measured(metrics: Mapping[str, float], name: str) -> float | None:
    """A metric's value, or None where it is missing or not finite."""
    value = metrics.get(name, math.nan)
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Selection:
    """A validation metric that decides."""

    metric: str

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """The metric with its sign turned so that more is better, or None where it was not measured."""
        value = measured(metrics, self.metric)
        return None if value is None else merit(self.metric, value)


class Policy(Protocol):
    """Who decides. Its state is plain numbers, names and lists, and the same on every rank."""

    def weights(self, step: UpdateContext) -> Mapping[MixtureMember, float]:
        """Probabilities of the strategies at an update; asked once per update, in the updates' order."""

    def observe(self, metrics: Mapping[str, float], *, epoch: int, rolled_back: bool) -> None:
        """Hear the metrics of an epoch's end, the same on every rank.

        Args:
            metrics: Training, validation and time only.
            epoch: From 1; 0 is before training.
            rolled_back: Training goes on from earlier weights than the measured ones.

        """

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs beside the settings."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


class StaticPolicy:
    """The same weights at every update."""

    def __init__(self, settings: Static) -> None:
        self._weights = settings.weights.positive()

    def weights(self, step: UpdateContext) -> Mapping[MixtureMember, float]:
        """The settings' weights."""
        return self._weights

    def observe(self, metrics: Mapping[str, float], *, epoch: int, rolled_back: bool) -> None:
        """Nothing changes its mind."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


class CurriculumPolicy:
    """Ordered stages, none of which comes again.

    An epoch counts for the stage in which it ends, and as without gain where its score is not better than every score
    before it, those of earlier stages and of epoch 0 included.

    Args:
        settings: The stages and their gates.
        selection: Which score is better.

    """

    def __init__(self, settings: Curriculum, *, selection: Selection) -> None:
        self._stages = settings.stages
        self._selection = selection
        self._stage = 0
        self._epochs_without_gain = 0
        self._best: float | None = None

    def weights(self, step: UpdateContext) -> Mapping[MixtureMember, float]:
        """The weights of the stage, once every gate on the run's share that lies behind is passed."""
        done = (step.update - 1) / step.total_updates
        while (until := self._stages[self._stage].until_share) is not None and done >= until:
            self._advance()
        return self._stages[self._stage].weights.positive()

    def observe(self, metrics: Mapping[str, float], *, epoch: int, rolled_back: bool) -> None:
        """Count the epochs without gain, and end the stage at its gate."""
        score = self._selection.value(metrics)
        if score is None:
            return
        if self._best is None or score > self._best:
            self._best, self._epochs_without_gain = score, 0
            return
        self._epochs_without_gain += 1
        patience = self._stages[self._stage].until_epochs_without_gain
        if patience is not None and self._epochs_without_gain >= patience:
            self._advance()

    def state_dict(self) -> dict[str, Any]:
        """The stage, and what its gate counts."""
        return {"stage": self._stage, "epochs_without_gain": self._epochs_without_gain, "best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._stage, self._best = state["stage"], state["best"]
        self._epochs_without_gain = state["epochs_without_gain"]

    def _advance(self) -> None:
        self._stage += 1
        self._epochs_without_gain = 0


class GapPolicy:
    """The costlier strategies' share follows the exposure gap, measured first at epoch 0; without one it is 0."""

    def __init__(self, settings: Gap) -> None:
        self._settings = settings
        self._gap: float | None = None

    def weights(self, step: UpdateContext) -> Mapping[MixtureMember, float]:
        """min(largest_share, gain × gap) divided as the settings say; `standard` takes the rest."""
        share = min(self._settings.largest_share, self._settings.gain * max(0.0, self._gap or 0.0))
        divided = {name: share * weight for name, weight in self._settings.weights.positive().items()}
        return {"standard": 1.0 - share, **divided}

    def observe(self, metrics: Mapping[str, float], *, epoch: int, rolled_back: bool) -> None:
        """Take the gap into the moving average, which starts at the first gap measured."""
        gap, memory = measured(metrics, EXPOSURE_GAP), self._settings.memory
        if gap is not None:
            self._gap = gap if self._gap is None else memory * self._gap + (1.0 - memory) * gap

    def state_dict(self) -> dict[str, Any]:
        """The moving average."""
        return {"gap": self._gap}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._gap = state["gap"]


class BanditPolicy:
    """EXP3 (Auer et al. 2002, fig. 1): one arm per epoch, paid by what validation gained in it.

    EXP3 wants rewards in [0, 1]: a reward r becomes 0.5 + 0.5·r/R, R being the largest |r| so far. An epoch that lacks
    its score, the score before it or (per second) its time gets no reward; the next arm is drawn all the same.

    Args:
        settings: Arms, exploration, and what the reward is per.
        seed: Of the draws; an epoch's draw depends on nothing else.
        watched: The validation metric whose gain is the reward.

    """

    def __init__(self, settings: Bandit, *, seed: int, watched: str) -> None:
        self._settings = settings
        self._seed = seed
        self._watched = Selection(watched)
        self._log_weights = [0.0] * len(settings.arms)  # the largest is 0, so that no exponential overflows
        self._largest_reward = 0.0
        self._score: float | None = None
        self._arm = self._draw(epoch=0)

    def weights(self, step: UpdateContext) -> Mapping[MixtureMember, float]:
        """All mass on the epoch's arm."""
        return {self._arm: 1.0}

    def probabilities(self) -> dict[MixtureMember, float]:
        """With which the present arm was drawn; none is below exploration / number of arms."""
        arms, exploration = self._settings.arms, self._settings.exploration
        weights = [math.exp(log_weight) for log_weight in self._log_weights]
        exploited = [(1.0 - exploration) * weight / sum(weights) for weight in weights]
        return {arm: share + exploration / len(arms) for arm, share in zip(arms, exploited, strict=True)}

    def observe(self, metrics: Mapping[str, float], *, epoch: int, rolled_back: bool) -> None:
        """Pay the epoch's arm and draw the next epoch's."""
        reward = self._reward(metrics)
        if reward is not None:
            self._pay(reward)
        # After a roll-back the next arm gets no reward either: it would be for the way back to the earlier weights.
        self._score = None if rolled_back else self._watched.value(metrics)
        self._arm = self._draw(epoch=epoch)

    def state_dict(self) -> dict[str, Any]:
        """The weights of the arms, the present arm, and what its reward is measured from."""
        return {
            "log_weights": list(self._log_weights),
            "largest_reward": self._largest_reward,
            # Its key in checkpoints, whichever score it is.
            "chrf": self._score,
            "arm": self._arm,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._log_weights = list(state["log_weights"])
        self._largest_reward, self._score, self._arm = state["largest_reward"], state["chrf"], state["arm"]

    def _reward(self, metrics: Mapping[str, float]) -> float | None:
        score = self._watched.value(metrics)
        # An epoch's number of updates is the same for all arms: per update is per epoch, up to a constant.
        divisor = measured(metrics, EPOCH_SECONDS) if self._settings.per == "second" else 1.0
        if score is None or self._score is None or divisor is None or divisor <= 0:
            return None
        return (score - self._score) / divisor

    def _pay(self, reward: float) -> None:
        self._largest_reward = max(self._largest_reward, abs(reward))
        scaled = 0.5 + 0.5 * reward / self._largest_reward if self._largest_reward else 0.5
        # Divided by its probability, so that the estimate is unbiased though only one arm is seen.
        estimate = scaled / self.probabilities()[self._arm]
        arms = self._settings.arms
        self._log_weights[arms.index(self._arm)] += self._settings.exploration * estimate / len(arms)
        largest = max(self._log_weights)
        self._log_weights = [log_weight - largest for log_weight in self._log_weights]

    def _draw(self, *, epoch: int) -> MixtureMember:
        chance = self.probabilities()
        return random.Random(f"{self._seed}/bandit/{epoch}").choices(list(chance), list(chance.values()))[0]
