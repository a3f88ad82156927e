"""Which way a metric points, and which of several results nothing betters."""

from collections.abc import Sequence
from operator import le


def higher_is_better(metric: str) -> bool:
    """Losses, times and costs are minimised, scores maximised."""
    return not metric.endswith("loss") and not metric.startswith(("time/", "cost/"))


def unbettered(losses: Sequence[Sequence[float]]) -> list[int]:
    """Places of what nothing else betters: of the results of which no other is as low in all and lower in one."""
    return [
        place
        for place, loss in enumerate(losses)
        if not any(list(other) != list(loss) and all(map(le, other, loss)) for other in losses)
    ]
