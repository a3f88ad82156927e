"""Health checks of a fine-tuning: one that harms its model is ended, with the sign as the reason."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from intelligen.config.metric_direction import merit
from intelligen.config.schema.declarations import StrategySettings
from intelligen.config.schema.training import Health
from intelligen.tasks.base import AnyMetric

Metrics = Mapping[str, float]
FROZEN_STD = 1e-4  # rewards lie in 0–1: advantages that differ by less teach nothing


def unhealthy_reason(
    settings: Health,
    start: Metrics,
    epochs: Sequence[Metrics],
    *,
    watched: AnyMetric,
    strategy: StrategySettings,
) -> str | None:
    """Why a fine-tuning is unhealthy, or None.

    A metric that an epoch lacks is no sign in that epoch, and interrupts a row of signs.

    Args:
        settings: Bounds, and for how many epochs in a row a sign must hold.
        start: Validation metrics of the weights that the fine-tuning started from.
        epochs: Metrics of every epoch so far, oldest first.
        watched: What must not get worse while a reward rises.
        strategy: Whose settings may fix it.

    Returns:
        One line: the sign, its numbers in the newest epoch, and the knobs that would fix it.

    """
    patience = settings.patience
    if patience is None or len(epochs) < patience:
        return None
    for sign in _SIGNS:
        ends = range(len(epochs) - patience + 1, len(epochs) + 1)
        found = [sign.find(settings, start, epochs[:end], watched) for end in ends]
        if all(found):
            return f"{found[-1]}, for {patience} epoch{'s' if patience > 1 else ''}; {sign.fix(strategy)}"
    return None


def _collapse(settings: Health, start: Metrics, epochs: Sequence[Metrics], watched: AnyMetric) -> str | None:
    name = "valid/distinct_2"
    before, now = _read(start, name), _read(epochs[-1], name)
    if now < settings.least_distinct * before:
        return f"collapse: {now:.3f} of the hypotheses' bigrams are distinct, at the start {before:.3f}"
    return None


def _length_drift(settings: Health, start: Metrics, epochs: Sequence[Metrics], watched: AnyMetric) -> str | None:
    name = "valid/length_ratio"
    before, now = _read(start, name), _read(epochs[-1], name)
    # A poor start that moves towards the references' length is being cured.
    if abs(now - before) > settings.length_drift and abs(now - 1) > abs(before - 1):
        return f"length drift: hypotheses are {now:.2f} of the references' length, at the start {before:.2f}"
    return None


def _reward_hacking(settings: Health, start: Metrics, epochs: Sequence[Metrics], watched: AnyMetric) -> str | None:
    # Risen since the first epoch of the game: from epoch to epoch it is noise, and a plateau high up is no cure.
    rewards = [_in_game(epoch, "train/discriminator_reward") for epoch in epochs]
    first = next((value for value in rewards if not math.isnan(value)), math.nan)
    name = f"valid/{watched.name}"
    before, now = _read(start, name), _read(epochs[-1], name)
    if rewards[-1] > first and merit(name, now) < merit(name, before) - settings.reward_hacking:
        return (
            f"reward hacking: the discriminator's reward is {rewards[-1]:.3f}, at first {first:.3f},"
            f" while {watched.label} is {watched.text(now)}, at the start {watched.text(before)}"
        )
    return None


def _saturation(settings: Health, start: Metrics, epochs: Sequence[Metrics], watched: AnyMetric) -> str | None:
    accuracy, bound = _in_game(epochs[-1], "train/discriminator_accuracy"), settings.most_discriminator_accuracy
    if accuracy > bound:
        return f"discriminator saturation: its accuracy is {accuracy:.3f}, above {bound}"
    return None


def _frozen_reward(settings: Health, start: Metrics, epochs: Sequence[Metrics], watched: AnyMetric) -> str | None:
    # Only where a discriminator rewards: a constant reward has no spread by design.
    reward, spread = (_in_game(epochs[-1], f"train/{name}") for name in ("discriminator_reward", "advantage_std"))
    if not math.isnan(reward) and spread < FROZEN_STD:
        return f"frozen reward: the advantages' standard deviation is {spread:.1g}, below {FROZEN_STD:g}"
    return None


def _read(metrics: Metrics, name: str) -> float:
    """NaN where the metric is missing: no comparison with it holds."""
    return metrics.get(name, math.nan)


def _in_game(epoch: Metrics, name: str) -> float:
    """NaN also in an epoch in which the discriminator alone was trained."""
    return math.nan if epoch.get("train/pretraining_pct", 0.0) >= 100 else _read(epoch, name)


@dataclass(frozen=True)
class _Sign:
    find: Callable[[Health, Metrics, Sequence[Metrics], AnyMetric], str | None]
    """Of (settings, start, epochs, watched): what the newest epoch shows, in words and numbers."""
    fixes: tuple[tuple[str, str], ...]
    """Setting of a strategy → what to do about it; those count that the strategy has, and "" is no setting of its."""

    def fix(self, strategy: StrategySettings) -> str:
        """What to change, in words."""
        return " or ".join(words for setting, words in self.fixes if not setting or hasattr(strategy, setting))


_TEACH_MORE = (("mle_weight", "raise mle_weight"), ("", "lower the learning rate"))
# The others are signs of a discriminator's reward: whatever strategy has one has these settings.
_SIGNS = (
    _Sign(_collapse, _TEACH_MORE),
    _Sign(_length_drift, _TEACH_MORE),
    _Sign(_reward_hacking, (("", "lower adversarial_weight or raise kl_weight"),)),
    _Sign(_saturation, (("", "lower discriminator.learning_rate or raise discriminator.every"),)),
    _Sign(_frozen_reward, (("", "raise temperature or choose another baseline"),)),
)
