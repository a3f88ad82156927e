"""Checks the objectives of a sweep: trials are compared by scores that their task has, under names of their own."""

from intelligen.config.document import Document, dotted, problem_line
from intelligen.config.metric_direction import direction
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.objective import Objective
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError


def with_objective(sweep: Sweep, experiment: Experiment, document: Document) -> Sweep:
    """A sweep that names no objective has the metric that selects its epochs."""
    metric = experiment.task.selection_metric
    if document.data.get("objective") or sweep.objectives is not None or sweep.objective.metric == metric:
        return sweep
    return sweep.model_copy(update={"objective": Objective(metric=metric, direction=direction(metric))})


def require_one_objective(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """Trials are compared by the metric that chose their weights: the table must show the model that is tested."""
    asked, selecting = sweep.objective.metric, experiment.task.selection_metric
    key = ("objective", "metric") if sweep.objectives is None else ("objectives", 0, "metric")
    if asked != selecting:
        fix, known = f"experiment.task.selection_metric={asked}", experiment.task.selecting()
        if asked not in known:
            fix = f"{'.'.join(map(str, key))}={selecting}"
            if (way := direction(selecting)) != sweep.objective.direction:
                fix += f" -o {'.'.join(map(str, key[:-1]))}.direction={way}"
            fix += f" (task {experiment.task.name} has {', '.join(known)})"
        what = f"is {asked}, but the experiment selects its epochs by {selecting}; set -o {fix}"
        raise ConfigError(problem_line(document.origin(key), dotted(key), what))


def require_objectives_of_the_task(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """The further ones are scores that the task has, or costs."""
    known = experiment.task.selecting()
    for number, one in enumerate(sweep.all_objectives()[1:], start=1):
        if one.metric.startswith("valid/") and one.metric not in known:
            key = ("objectives", number, "metric")
            what = f"is {one.metric}, which task {experiment.task.name} does not have; it has {', '.join(known)}"
            raise ConfigError(problem_line(document.origin(key), dotted(key), what))
