"""Sweep settings: an experiment, what varies, how it is searched, for how long and on what."""

from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from intelligen.config.base import ADDED, Name, Settings
from intelligen.config.schema.budget import Budget
from intelligen.config.schema.local_path import LocalPath
from intelligen.config.schema.objective import Objective, OneOfSeveral
from intelligen.config.schema.own_controls import own_controls, unfit_for_own_controls
from intelligen.config.schema.published import Published
from intelligen.config.schema.replicates import Replicate
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.rows import Row, Rows, StrategyControl
from intelligen.config.schema.schedulers import Asha, Pbt, Scheduler
from intelligen.config.schema.search import Search
from intelligen.config.schema.space_forms import Choice, Space
from intelligen.config.schema.space_parameters import grid_size
from intelligen.config.schema.stages_after_search import Confirmation, Scoring


class Sweep(Settings):
    """One sweep file."""

    version: Literal[1]
    name: Name
    question: str = ""
    """What the sweep is to answer; it heads the report and the tracking run."""
    experiment: LocalPath
    """Path of the experiment file, relative to this file."""
    space: dict[str, Space] = Field(default={})
    """Dotted experiment key (`finetuning.optimizer.learning_rate`) → search space form. Where `rows` are variants of
    the experiment it may be empty: then each row is one trial, without a budget."""
    rows: Annotated[Rows | None, ADDED] = None
    """What the table compares; not given = the strategies of `space.strategy`."""
    controls: Annotated[Literal["own"] | None, ADDED] = None
    """`own`: each strategy whose updates take longer than teacher-forced ones gets a row that it is held against,
    `STRATEGY_matched`, without a place in the space. After the search that row is trained by `standard_matched` at the
    points of the strategy's trials, with their values of all settings but the strategy's own, and with their seed. Its
    `updates_ratio` is fixed then: the training time of the strategy's best trial over that of `standard`. Not given =
    the space names the controls."""
    stages: Annotated[tuple[Literal["train"]] | None, ADDED] = None
    """`[train]`: a trial is trained by `training` and the experiment's `strategy`, from random weights or `initial`,
    without a baseline before it; not given = each is fine-tuned from a baseline."""
    published: Annotated[Published | None, ADDED] = None
    """Figures of others for these rows, which tables show beside ours."""
    device_flops: Annotated[PositiveFloat | None, ADDED] = None
    """Floating-point operations that a device, a GPU or a worker's processors, sustains in a second. Where it is given,
    tables of variants estimate a training's cost as training time × devices × this, as Vaswani et al. (2017) do in
    Table 2: they take 2.8e12 for a K80, 3.7e12 for a K40, 6.0e12 for an M40 and 9.5e12 for a P100 (single precision).
    """
    search: Search = Search()
    scheduler: Scheduler = Asha()
    budget: Budget = Budget()
    objective: Objective = Objective()
    """Not given = the metric that selects the experiment's epochs, `task.selection_metric`."""
    objectives: Annotated[tuple[OneOfSeveral, ...], Field(min_length=2)] | None = None
    """Several objectives in place of `objective`. The first selects weights, stops trials and picks the best trial of a
    strategy; all together make the Pareto front."""
    confirm: Confirmation | None = None
    """What the search found is confirmed by fresh seeds; not given = the best trial of each strategy is tested."""
    test: Scoring = Scoring()
    resources: Resources = Resources()
    baseline: Resources = Resources()
    """What training a baseline takes. Those of several seeds train `concurrent_trials` at the same time if each has one
    worker, and one after the other if more."""

    @model_validator(mode="after")
    def _ends(self) -> "Sweep":
        if not self.space and not self.variants():
            raise ValueError("space must not be empty, unless `rows` are variants or axes")
        for name in self.budget.given() if not self.space else ():
            raise ValueError(f"budget.{name} has no meaning without a space: each row is one trial; leave it out")
        if not self.budget.given() and self.search.sampler != "grid" and self.space:
            raise ValueError(
                f"budget needs at least one of {', '.join(Budget.model_fields)}: without one no search ends"
            )
        for name in self.budget.per_strategy():
            if not self.row_ids():
                misspelt = get_close_matches("strategy", self.space, n=1)
                found = f", and there is space.{misspelt[0]}" if misspelt and "strategy" not in self.space else ""
                raise ValueError(f"budget.{name} needs a `choice` of strategies under space.strategy{found}")
        return self

    @model_validator(mode="after")
    def _rows_compare(self) -> "Sweep":
        if self.trains and "strategy" in self.space:
            raise ValueError(
                "space.strategy is for fine-tuning from a baseline, and stages [train] has none: set the strategy in a"
                " row, or in the experiment"
            )
        if self.rows is not None and self.control not in self.row_ids():
            raise ValueError(
                f"rows.strategies.control is {self.control}, which space.strategy does not have; there are"
                f" {', '.join(self.row_ids()) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _controls_are_trained(self) -> "Sweep":
        if self.controls is not None and (why := unfit_for_own_controls(self.strategies(), control=self.control)):
            raise ValueError(f"controls: own {why}")
        if self.controls is not None and isinstance(self.scheduler, Pbt):
            raise ValueError("controls: own is not for the scheduler pbt, whose trials have no one point to share")
        return self

    @model_validator(mode="after")
    def _first_objective_decides(self) -> "Sweep":
        if self.objectives is None:
            return self
        metrics = [one.metric for one in self.objectives]
        if len(set(metrics)) < len(metrics):
            raise ValueError("objectives name a metric twice")
        if not metrics[0].startswith("valid/"):
            raise ValueError(f"objectives must begin with a metric of the validation set, got {metrics[0]}")
        first = Objective.model_validate(self.objectives[0].model_dump())
        if "objective" in self.model_fields_set and self.objective != first:
            raise ValueError("objective differs from the first of `objectives`: give one of the two")
        return self.model_copy(update={"objective": first})

    @model_validator(mode="after")
    def _population_exchanges(self) -> "Sweep":
        if not isinstance(self.scheduler, Pbt):
            return self
        if self.search.sampler != "random":
            raise ValueError(
                f"search.sampler must be random with the scheduler pbt, got {self.search.sampler}: values change"
                " while a trial trains, so its result teaches nothing of those it began with"
            )
        if self.search.warm_start is not None:
            raise ValueError("search.warm_start has no meaning with the scheduler pbt: leave it out")
        if self.confirm is not None:
            raise ValueError(
                "confirm cannot be used with the scheduler pbt: a trial's result there comes from weights of others,"
                " which no other seed can repeat; leave it out, or take another scheduler"
            )
        if self.resources.workers > 1:
            raise ValueError(
                f"resources.workers must be 1 with the scheduler pbt, got {self.resources.workers}: let more trials run"
                " at once instead"
            )
        return self

    def all_objectives(self) -> tuple[Objective | OneOfSeveral, ...]:
        """What the search optimises; the first decides where one must."""
        return self.objectives or (self.objective,)

    @property
    def trains(self) -> bool:
        """Whether trials are trained without a baseline before them."""
        return self.stages is not None

    def variants(self) -> tuple[Row, ...]:
        """The rows that are variants of the experiment, in the file's order; empty where rows are strategies."""
        return () if self.rows is None else self.rows.variants_of_experiment()

    def row_ids(self) -> tuple[str, ...]:
        """The rows, in the file's order; empty where nothing in the space chooses them: the sweep has one then."""
        if found := self.variants():
            return tuple(row.id for row in found)
        entry = self.space.get("strategy")
        return tuple(str(option) for option in entry.choice) if isinstance(entry, Choice) else ()

    def strategies(self) -> tuple[str, ...]:
        """The rows where they are strategies that the space names; empty elsewhere."""
        return () if self.variants() else self.row_ids()

    def own_controls(self) -> dict[str, str]:
        """Own control → the strategy that is held against it; empty where the space names the controls."""
        return {} if self.controls is None else own_controls(self.strategies())

    def table_rows(self) -> tuple[str, ...]:
        """All that the table compares: the rows of the search, then the own controls."""
        return (*self.row_ids(), *self.own_controls())

    @property
    def row_parameter(self) -> str:
        """What the search calls the parameter that chooses a row."""
        return (self.rows or _STRATEGIES).parameter

    @property
    def control(self) -> str:
        """The row that differences are against."""
        return (self.rows or _STRATEGIES).control

    @property
    def searched(self) -> dict[str, Space]:
        """The space that trials are drawn from: where rows are variants, which of them is drawn first."""
        chosen: dict[str, Space] = {self.row_parameter: Choice(choice=list(self.row_ids()))} if self.variants() else {}
        return chosen | self.space

    def of_one_search(self, replicate: Replicate | None = None) -> "Sweep":
        """The same with one of its searches alone; not given = the first."""
        return self.model_copy(update={"search": self.search.alone(replicate)})

    def confirmation_seeds(self, seed: int) -> tuple[int, ...]:
        """With which the best configurations of each search are trained again, where the first search has this seed."""
        after = () if self.confirm is None else self.confirm.after(0)
        return tuple(search.seed + one for search in self.search.all_replicates(seed) for one in after)

    def round_robin(self) -> bool:
        """Whether rows get trials in round robin; otherwise the sampler chooses them."""
        by_turns = bool(self.budget.per_strategy()) or self.search.sampler == "grid" or not self.space
        return bool(self.row_ids()) and by_turns

    def trials_of(self, row: str) -> int | None:
        """Most trials of one row in a search; none where their number has no bound of its own."""
        bounds = [self.budget.trials_per_strategy]
        if self._lists_all and isinstance(self.searched.get(self.row_parameter), Choice):
            bounds.append(grid_size(self.space_of(row)))
        return min((bound for bound in bounds if bound is not None), default=None)

    def space_of(self, row: str) -> dict[str, Space]:
        """The space that one row's trials are drawn from."""
        entry = self.searched.get(self.row_parameter)
        options = entry.choice if isinstance(entry, Choice) else [row]
        chosen = Choice(choice={row: options[row]} if isinstance(options, dict) else [row])
        return {**self.searched, self.row_parameter: chosen}

    def total_trials(self) -> int | None:
        """Most trials in all; none where other budgets alone end the search."""
        bounds = [self.budget.trials]
        shares = [self.trials_of(row) for row in self.row_ids()]
        if shares and None not in shares:
            bounds.append(sum(share for share in shares if share is not None))
        elif self._lists_all:
            bounds.append(grid_size(self.searched))
        in_a_search = min((bound for bound in bounds if bound is not None), default=None)
        return None if in_a_search is None else in_a_search * self.search.replicates

    def total_repetitions(self) -> int:
        """Most trainings that confirm what the search found, where every row has a trial to repeat."""
        return 0 if self.confirm is None else self.confirm.at_most * self._most_chosen()

    def least_repetitions(self) -> int:
        """Those of them that are trained in any case."""
        return 0 if self.confirm is None else self.confirm.at_least * self._most_chosen()

    def total_control_trials(self) -> int:
        """Most trials of own controls after the search; 0 too where no number bounds those of the strategies."""
        each = [self.trials_of(strategy) for strategy in self.own_controls().values()]
        bounded = sum(one for one in each if one is not None) if None not in each else self.budget.trials or 0
        return bounded * self.search.replicates

    def _most_chosen(self) -> int:
        """Best trials: one of every row, of each search."""
        return max(1, len(self.table_rows())) * self.search.replicates

    @property
    def _lists_all(self) -> bool:
        """Whether every point of the space is run, once."""
        return self.search.sampler == "grid" or not self.space

    def baselines_at_once(self) -> int:
        """Most of them that train at the same time."""
        several = self.confirm is not None and self.baseline.workers == 1
        return self.baseline.at_once if several else 1


_STRATEGIES = Rows(strategies=StrategyControl())
