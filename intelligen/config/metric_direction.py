"""Direction of a metric: best, ranked and Pareto-optimal results are decided here alone."""

from collections.abc import Callable, Iterable, Sequence
from math import isnan
from operator import le
from typing import Literal, TypeVar

Direction = Literal["maximize", "minimize"]
Item = TypeVar("Item")

_MINIMISED_NAMES = ("loss", "perplexity", "error")
_MINIMISED_GROUPS = ("time/", "cost/")


def higher_is_better(metric: str) -> bool:
    """Losses, perplexities, errors, times and costs are minimised, all others maximised.

    A metric's name says so, for names are all that ledgers, histories and MLflow hold. A task whose metric points
    another way than its name is refused (`intelligen.tasks.base`).
    """
    return not metric.endswith(_MINIMISED_NAMES) and not metric.startswith(_MINIMISED_GROUPS)


def direction(metric: str) -> Direction:
    """The same in Optuna's words."""
    return "maximize" if higher_is_better(metric) else "minimize"


def merit(metric: str, value: float) -> float:
    """The value, with its sign turned where less is better: more merit is always better."""
    return value if higher_is_better(metric) else -value


def improves(metric: str, value: float, *, than: float) -> bool:
    """Whether a value is better than another; an equal one is not."""
    return merit(metric, value) > merit(metric, than)


def best(metric: str, items: Iterable[Item], *, value: Callable[[Item], float]) -> Item | None:
    """What has the best value of a metric, the first of equals; none of nothing."""
    return max(items, key=lambda item: merit(metric, value(item)), default=None)


def ranked(metric: str, items: Iterable[Item], *, value: Callable[[Item], float | None]) -> list[Item]:
    """The best first, equals in their order, and last what has no value."""

    def rank(item: Item) -> tuple[bool, float]:
        found = value(item)
        return found is None, 0.0 if found is None else -merit(metric, found)

    return sorted(items, key=rank)


def pareto_optimal(losses: Sequence[Sequence[float]]) -> list[int]:
    """Places of the results on the front: no other is as low in all and lower in one."""
    # NaN is neither better nor worse than anything.
    front = [number for number, loss in enumerate(losses) if any(map(isnan, loss))]
    known = {*range(len(losses))} - {*front}
    # What is better than a result comes before it in this order, and so does one of the front that does.
    for number in sorted(known, key=lambda number: list(losses[number])):
        if not any(_betters(losses[other], losses[number]) for other in front):
            front.append(number)
    return sorted(front)


def _betters(other: Sequence[float], loss: Sequence[float]) -> bool:
    return list(other) != list(loss) and all(map(le, other, loss))
