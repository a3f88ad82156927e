"""What a sweep can hardly answer or reach is said before it costs anything; nothing of it is forbidden."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from intelligen.config.experiment import Experiment
from intelligen.config.space import Choice, Const, Int, LogInt, Space
from intelligen.config.sweep import Asha, Sweep

NULL_CONTROLS = ("seqgan_constant", "seqgan_random")
COSTLIER = ("recurrent", "generative", "seqgan", "intelligen")
"""An update of these takes longer than a teacher-forced one: docs/strategies.md, costs."""


def doubts(sweep: Sweep, experiment: Experiment) -> list[str]:
    """One line each: what, why, the mend."""
    names = sweep.strategies() or (experiment.strategy.name,)
    return [*_controls(names), *_search(sweep, experiment), *_budget(sweep)]


def _controls(names: tuple[str, ...]) -> Iterator[str]:
    own = [name for name in names if name not in ("standard", "standard_matched", *NULL_CONTROLS)]
    if own and "standard" not in names:
        yield f"no `standard` beside {_listed(own)}: what more teacher forcing alone brings stays unknown; add it"
    costly = [name for name in own if name in COSTLIER]
    if costly and "standard_matched" not in names:
        yield (
            f"no `standard_matched` beside {_listed(costly)}: equal updates are not equal time; add it to see what"
            " teacher forcing does in theirs"
        )
    if "seqgan" in names and (missing := [name for name in NULL_CONTROLS if name not in names]):
        yield f"no {_listed(missing)} beside seqgan: a gain may be due to something else than its reward; add them"


def _search(sweep: Sweep, experiment: Experiment) -> Iterator[str]:
    total, epochs = sweep.total_trials(), experiment.finetuning.epochs
    if sweep.search.sampler == "tpe" and total is not None and sweep.search.startup_trials >= total:
        yield (
            f"search.startup_trials ({sweep.search.startup_trials}) is not below the budget of {total} trials: the"
            " model of tpe is never used; lower it, or write sampler: random"
        )
    if isinstance(sweep.scheduler, Asha) and sweep.scheduler.grace_epochs >= epochs:
        yield (
            f"scheduler.grace_epochs ({sweep.scheduler.grace_epochs}) is not below finetuning.epochs ({epochs}): asha"
            " stops nobody; lower it, or write scheduler: {name: none}"
        )


def _budget(sweep: Sweep) -> Iterator[str]:
    total, names = sweep.total_trials(), sweep.strategies()
    if total is None:
        return
    if total < len(names):
        yield f"a budget of {total} trials cannot try all of the {len(names)} strategies; raise it"
    points = _points(sweep.space)
    if points is not None and points < total:
        yield f"the space has {points} points, the budget {total} trials: some run twice; lower it, or widen the space"
    if sweep.resources.concurrent_trials > total:
        yield (
            f"resources.concurrent_trials ({sweep.resources.concurrent_trials}) is above the budget of {total} trials;"
            " lower it"
        )


def _points(space: Mapping[str, Space]) -> int | None:
    """How many points a space has; none where it is continuous."""
    counts = [_values(form) for form in space.values()]
    return None if None in counts else prod(count for count in counts if count is not None)


def _values(form: Space) -> int | None:
    match form:
        case Const():
            return 1
        case Int(int=(low, high)) | LogInt(log_int=(low, high)):
            return high - low + 1
        case Choice(choice=list() as values):
            return len(values)
        case Choice(choice=dict() as options):
            counts = [_points(inner) for inner in options.values()]
            return None if None in counts else sum(count for count in counts if count is not None)
    return None


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
