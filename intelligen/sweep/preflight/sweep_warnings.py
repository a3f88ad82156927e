"""Warnings about a sweep: what it can hardly answer or reach; none of them prevents it."""

from collections.abc import Collection, Iterator, Mapping

from intelligen.config.schema.early_stops import stopped_by_luck
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.generative_strategies import TREATMENTS
from intelligen.config.schema.missing_controls import missing_controls
from intelligen.config.schema.plugins import name_of
from intelligen.config.schema.schedulers import Asha, Pbt
from intelligen.config.schema.space_forms import Space
from intelligen.config.schema.space_parameters import grid_size, parameters
from intelligen.config.schema.sweep import Sweep
from intelligen.training.timing import TimeRange

_ROWS = {"strategy": "strategies", "row": "rows"}


def sweep_warnings(sweep: Sweep, experiment: Experiment) -> list[str]:
    """One line each: what, why, the fix."""
    sweep = sweep.of_one_search()  # each has the whole budget
    strategies = () if sweep.variants() else sweep.strategies() or (experiment.strategy.name,)
    return [
        *missing_controls((*strategies, *sweep.own_controls())),
        *_names(strategies),
        *(_search(sweep, experiment) if sweep.space else ()),
        *_budget(sweep),
    ]


def luck_warning(sweep: Sweep, experiment: Experiment) -> str | None:
    """Whether the trials of a row are too few to be stopped early; none too where no number bounds them."""
    if not sweep.space:
        return None
    sweep = sweep.of_one_search()
    rows, total = sweep.row_ids() or ("",), sweep.total_trials()
    each = [None if total is None else total // len(rows)] if not sweep.round_robin() else map(sweep.trials_of, rows)
    known = [count for count in each if count is not None]
    return stopped_by_luck(sweep.scheduler, epochs=_epochs(sweep, experiment), trials=known, word=sweep.row_parameter)


def too_short(sweep: Sweep, trial_s: TimeRange) -> list[str]:
    """Budgets in hours that are spent before the trials have run that the others ask for.

    Args:
        sweep: Its settings.
        trial_s: Seconds of a trial that finishes.

    """
    sweep = sweep.of_one_search()
    wanted, workers = sweep.total_trials() or max(1, len(sweep.row_ids())), sweep.resources.workers
    least_s = {
        "wall_hours": wanted * trial_s.low / sweep.resources.at_once,
        "device_hours": wanted * trial_s.low * workers,
        "device_hours_per_strategy": (sweep.budget.trials_per_strategy or 1) * trial_s.low * workers,
    }
    return [
        f"budget.{key} is {given:g}, and the trials take {seconds / 3600:.2g} or more without early stops; raise it, or"
        " expect fewer trials"
        for key, seconds in least_s.items()
        if (given := getattr(sweep.budget, key)) is not None and 3600 * given < seconds
    ]


def _names(strategies: Collection[str]) -> Iterator[str]:
    if "generative" in strategies:
        named = [name_of(treatment) for treatment in TREATMENTS.values()]
        yield (
            "the row generative does not say which strategy its target is; in a new sweep write"
            f" {', '.join(named[:-1])} or {named[-1]}"
        )


def _search(sweep: Sweep, experiment: Experiment) -> Iterator[str]:
    run, epochs = "training" if sweep.trains else "finetuning", _epochs(sweep, experiment)
    # In round robin every row has a model of its own.
    most = sweep.budget.trials_per_strategy if sweep.round_robin() else sweep.total_trials()
    if sweep.search.sampler == "tpe" and most is not None and sweep.search.startup_trials >= most:
        each = f" of each {sweep.row_parameter}" if sweep.round_robin() else ""
        yield (
            f"search.startup_trials ({sweep.search.startup_trials}) is not below the budget of {most} trials{each}, so"
            " the model of tpe is never used; lower it, or write sampler: random"
        )
    if isinstance(sweep.scheduler, Asha) and sweep.scheduler.grace_epochs >= epochs:
        yield (
            f"scheduler.grace_epochs ({sweep.scheduler.grace_epochs}) is not below {run}.epochs ({epochs}), so"
            " asha stops no trial; lower it, or write scheduler: {name: none}"
        )
    if isinstance(sweep.scheduler, Pbt) and sweep.scheduler.interval_epochs >= epochs:
        yield (
            f"scheduler.interval_epochs ({sweep.scheduler.interval_epochs}) is not below {run}.epochs ({epochs}),"
            " so no trial exploits another; lower it"
        )
    if luck := luck_warning(sweep, experiment):
        yield luck


def _epochs(sweep: Sweep, experiment: Experiment) -> int:
    return (experiment.training if sweep.trains else experiment.finetuning).epochs


def _budget(sweep: Sweep) -> Iterator[str]:
    total, names = sweep.total_trials(), sweep.row_ids()
    if total is None:
        return
    if total < len(names):
        yield f"a budget of {total} trials is less than the {len(names)} {_ROWS[sweep.row_parameter]}; raise it"
    yield from _repeats(sweep, total)
    if sweep.resources.concurrent_trials != "auto" and sweep.resources.concurrent_trials > total:
        yield (
            f"resources.concurrent_trials ({sweep.resources.concurrent_trials}) is above the budget of {total} trials;"
            " lower it"
        )


def _repeats(sweep: Sweep, total: int) -> Iterator[str]:
    """Searches of more trials than their space has points: the others train the same again."""
    if (what := _repeated(_points(sweep.searched), total)) is not None:
        yield f"the space has {what}; lower the budget, or widen the space"
        return
    for row in sweep.row_ids() if sweep.round_robin() else ():
        if (what := _repeated(_points(sweep.space_of(row)), sweep.trials_of(row))) is not None:
            yield f"the space of {row} has {what}; lower the budget, or vary another setting of it"


def _repeated(points: int | None, trials: int | None) -> str | None:
    if points is None or trials is None or points >= trials:
        return None
    counted, again = f"{points} point{'' if points == 1 else 's'}", trials - points
    train = "trains" if again == 1 else "train"
    return f"{counted} for {trials} trials, so {again} of them {train} what another one has trained"


def _points(space: Mapping[str, Space]) -> int | None:
    """How many points a space has; none where it is continuous."""
    return None if any(parameter.continuous for parameter in parameters(space)) else grid_size(space)
