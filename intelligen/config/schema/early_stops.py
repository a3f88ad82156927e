"""Early stops of a search: with how few trials of a strategy the configuration that they leave is largely luck."""

from collections.abc import Collection
from typing import Final

from intelligen.config.schema.schedulers import Asha, Hyperband, Median, Scheduler

LEAST_TRIALS: Final = 8
"""The best of 3 by a noisy validation lies 0.76 standard deviations of configurations above their mean, of 16 1.58."""


def stopped_by_luck(scheduler: Scheduler, *, epochs: int, trials: Collection[int], word: str) -> str | None:
    """A sentence on a search that compares too few trials too early; none where it does not.

    Args:
        scheduler: Of the sweep.
        epochs: Of a trial that is not stopped.
        trials: Of each row.
        word: For a row, `strategy` or `row`.

    """
    stops = isinstance(scheduler, Asha | Hyperband | Median) and scheduler.grace_epochs < epochs
    least = min(trials, default=LEAST_TRIALS)
    if not stops or least >= LEAST_TRIALS:
        return None
    count = f"{least} trial{'' if least == 1 else 's'}"
    return (
        f"with {count} of a {word}, some of them stopped early by {scheduler.name} after a noisy validation, it is"
        f" largely luck which configuration is best: give each {word} {LEAST_TRIALS} trials or more, or write"
        " scheduler: {name: none}"
    )
