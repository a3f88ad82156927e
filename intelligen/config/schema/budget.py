"""Budgets of a search, in all or per strategy: it ends with the first that is spent."""

from typing import Annotated

from pydantic import Field, PositiveInt

from intelligen.config.base import Settings

PositiveFloat = Annotated[float, Field(gt=0)]

PER_STRATEGY = ("trials_per_strategy", "device_hours_per_strategy", "target_tokens_per_strategy")


class Budget(Settings):
    """When the search ends: as soon as one is spent. At least one is needed, except with the sampler `grid`."""

    trials: PositiveInt | None = None
    """Trials in all; the sampler chooses the strategies."""
    trials_per_strategy: PositiveInt | None = None
    """Trials of each strategy, in round robin: every strategy gets the same number, so the comparison is fair."""
    wall_hours: PositiveFloat | None = None
    """Hours that the search has run, over all launches together."""
    device_hours: PositiveFloat | None = None
    """Hours of training and validation × devices, over all trials; a device is a GPU, or a worker's processors."""
    device_hours_per_strategy: PositiveFloat | None = None
    """The same over the trials of each strategy, in round robin; one whose hours are spent gets no further trial."""
    target_tokens: PositiveInt | None = None
    """Target tokens trained on, over all trials."""
    target_tokens_per_strategy: PositiveInt | None = None
    """The same over the trials of each strategy, in round robin; one whose tokens are spent gets no further trial."""

    def given(self) -> tuple[str, ...]:
        """Names of the budgets that are set."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    def per_strategy(self) -> tuple[str, ...]:
        """Names of those that each strategy has for itself."""
        return tuple(name for name in self.given() if name in PER_STRATEGY)
