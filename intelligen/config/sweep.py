"""search_spaces/*.yaml: an experiment, what varies, how it is searched, for how long and on what."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from intelligen.config.base import Name, Settings
from intelligen.config.space import Choice, Space


class Search(Settings):
    """Who suggests the next trial."""

    sampler: Literal["tpe", "random"] = "tpe"
    """`tpe`: tree-structured Parzen estimator (Bergstra et al. 2011), multivariate; both are Optuna's."""
    seed: NonNegativeInt = 1
    """Of the suggestions."""
    startup_trials: PositiveInt = 4
    """So many trials are drawn at random before TPE's model is used."""


class Asha(Settings):
    """Asynchronous successive halving (Li et al. 2020): of the trials that reach a rung, 1/η go on."""

    name: Literal["asha"] = "asha"
    grace_epochs: PositiveInt = 1
    """No trial is stopped earlier."""
    reduction_factor: Annotated[int, Field(ge=2)] = 2
    """η"""


class NoScheduler(Settings):
    """Every trial runs its course."""

    name: Literal["none"] = "none"


class Budget(Settings):
    """When the search ends."""

    trials: PositiveInt | None = None
    """Trials in all; the sampler chooses the strategies."""
    trials_per_strategy: PositiveInt | None = None
    """Trials of each strategy, in turn: every strategy gets the same number, so the comparison is fair."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Budget":
        if (self.trials is None) == (self.trials_per_strategy is None):
            raise ValueError("give either `trials` or `trials_per_strategy`")
        return self


class Resources(Settings):
    """What one trial takes. A trial of one worker runs inside the Tune actor; more workers are a Ray Train group."""

    workers: PositiveInt = 1
    """Processes that share each update of a trial."""
    cpus_per_worker: PositiveInt = 1
    """Processors, and so threads, of each."""
    gpus_per_worker: NonNegativeInt = 0
    """GPUs of each; 0 = train on processors."""
    concurrent_trials: PositiveInt = 1
    """Trials at the same time."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """A trial that crashes is tried so many times in all; it resumes from its last checkpoint."""


class Objective(Settings):
    """What the search optimises; a metric of the validation set, never of a test set."""

    metric: Literal["valid/bleu", "valid/chrf", "valid/loss"] = "valid/bleu"
    direction: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="after")
    def _sensible(self) -> "Objective":
        if (self.metric == "valid/loss") != (self.direction == "minimize"):
            raise ValueError(f"{self.metric} cannot be {self.direction}d to any use: turn the direction round")
        return self


class Sweep(Settings):
    """One sweep file."""

    version: Literal[1]
    name: Name
    question: str = ""
    """What the sweep is to answer; it heads the report and the tracking run."""
    experiment: Annotated[str, Field(min_length=1)]
    """Path of the experiment file, relative to this file."""
    space: Annotated[dict[str, Space], Field(min_length=1)]
    """Dotted experiment key (`finetuning.optimizer.learning_rate`) → search space form."""
    search: Search = Search()
    scheduler: Annotated[Asha | NoScheduler, Field(discriminator="name")] = Asha()
    budget: Budget
    objective: Objective = Objective()
    resources: Resources = Resources()
    baseline: Resources = Resources()
    """What training the baseline takes (`concurrent_trials` has no meaning there)."""

    @model_validator(mode="after")
    def _strategies_named(self) -> "Sweep":
        if self.budget.trials_per_strategy is not None and not self.strategies():
            raise ValueError("budget.trials_per_strategy needs a `choice` of strategies under space.strategy")
        return self

    def total_trials(self) -> int:
        """The budget in trials."""
        if self.budget.trials is not None:
            return self.budget.trials
        return (self.budget.trials_per_strategy or 0) * len(self.strategies())

    def strategies(self) -> tuple[str, ...]:
        """The strategies that the space names, in the file's order; empty where the space does not vary them."""
        entry = self.space.get("strategy")
        return tuple(str(option) for option in entry.choice) if isinstance(entry, Choice) else ()
