"""Search settings: the sampler, the storage of its study, and warm starts."""

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from intelligen.config.base import ADDED, Name, Settings
from intelligen.config.schema.local_path import DatabaseAddress, LocalPath
from intelligen.config.schema.replicates import MOST_REPLICATES, Replicate, replicates
from intelligen.config.schema.space_forms import Scalar

DATABASES = ("sqlite", "postgresql", "mysql")


class WarmStart(Settings):
    """What the search knows before its first trial; several may be given together.

    A point names parameters as the search does (`finetuning.optimizer.learning_rate`, `generative/probability.start`),
    those of an option together with the option; what it leaves out is drawn.
    """

    sweep: Name | None = None
    """An earlier sweep in the same runs folder: the sampler learns from its finished trials that fit this space."""
    csv: LocalPath | None = None
    """A table, relative to this file: a column per parameter, and one per objective. The sampler learns from rows with
    objectives; rows without are points."""
    points: Annotated[tuple[dict[str, Scalar], ...], Field(min_length=1)] | None = None
    """Points that run first, in this order, and count as any other trial."""

    @model_validator(mode="after")
    def _something(self) -> "WarmStart":
        if self.sweep is None and self.csv is None and self.points is None:
            raise ValueError("give at least one of `sweep`, `csv` and `points`, or leave warm_start out")
        return self


class Search(Settings):
    """How the next trial is chosen."""

    sampler: Literal["tpe", "random", "grid", "gp", "nsga2"] = "tpe"
    """`tpe`: tree-structured Parzen estimator (Bergstra et al. 2011), multivariate, with a constant liar for trials
    under way; `gp`: Gaussian process with expected improvement; `nsga2`: a genetic algorithm (Deb et al. 2002), for
    several objectives; `random`: all Optuna's. `grid`: every point of a space without continuous ranges, once."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """Of the suggestions."""
    startup_trials: PositiveInt = 4
    """Number of trials that are drawn at random before `tpe` or `gp` use their model. With `nsga2` it is the size of a
    generation, the first of which is random. In round robin each strategy has a model or generations of its own."""
    storage: DatabaseAddress | None = None
    """A database for Optuna's study (`postgresql://…`, `mysql://…`, `sqlite:///…`, relative to this file); a journal
    file in the sweep's directory where not given."""
    warm_start: WarmStart | None = None
    replicates: Annotated[int, Field(ge=1, le=MOST_REPLICATES), ADDED] = 1
    """Number of searches. Each has the whole budget and seeds of its own: the first has `seed` and `experiment.seed`,
    and those of each further one are 1 and 1000 higher. What each search has found is confirmed with `confirm.seeds`
    seeds. With 1, a study is about the configurations that were found; with 3 or more it is about the strategies,
    over searches; 2 decide nothing. It cannot be changed after the sweep has begun."""

    @field_validator("storage")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        # The address may hold a password, so the message does not show it.
        if url is not None and not re.match(rf"({'|'.join(DATABASES)})(\+\w+)?://", url):
            raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in DATABASES)}")
        return url

    @model_validator(mode="after")
    def _fitting(self) -> "Search":
        if self.sampler == "nsga2" and self.startup_trials < 2:
            raise ValueError("startup_trials is the size of a generation with nsga2: at least 2")
        if self.sampler == "grid" and self.warm_start is not None:
            raise ValueError("warm_start has no meaning with the sampler grid, which runs every point: leave it out")
        return self

    def all_replicates(self, seed: int) -> tuple[Replicate, ...]:
        """Its searches, where the trials of the first have this seed."""
        return replicates(self.replicates, seed=seed, search_seed=self.seed)

    @property
    def next_seed(self) -> int:
        """Of the suggestions of one more search."""
        return replicates(self.replicates + 1, seed=0, search_seed=self.seed)[-1].search_seed

    def alone(self, replicate: Replicate | None = None) -> "Search":
        """One of its searches; not given = the first."""
        seed = self.seed if replicate is None else replicate.search_seed
        return self.model_copy(update={"seed": seed, "replicates": 1})
