"""Lines for a launch that finds nothing left to do: that its sweep is complete, and how to go on with more trials."""

from collections.abc import Iterator, Sequence

from intelligen.analysis.suggested_command import command_line, run_again
from intelligen.sweep.stages import search_is_closed
from intelligen.sweep.sweep_context import SweepContext

_OPTIONS = {"trials": "--trials", "trials_per_strategy": "--trials-per-strategy"}


def complete_lines(context: SweepContext, given: Sequence[str]) -> Iterator[str]:
    """What a launch of a finished sweep says before it shows the results again.

    Args:
        context: The launch.
        given: The sweep's file and overrides, as far as they are known.

    """
    sweep, budget = context.sweep, context.sweep.budget.model_dump(exclude_none=True)
    yield f"complete {sweep.name} is complete: nothing to do"
    if not sweep.space or not budget:
        return
    if search_is_closed(context):
        changes = {"name": f"{sweep.name}-more", "search.warm_start.sweep": sweep.name}
        yield "         its search has ended; another sweep that starts from its trials:"
        yield f"         {run_again(given, changes)}"
        return
    more = " ".join(_more(key, number) for key, number in budget.items())
    yield "         to search on, give it a larger budget, such as:"
    yield f"         {command_line('extend', context.directory)} {more}"


def _more(key: str, number: float) -> str:
    """Twice as much of a budget."""
    return f"{_OPTIONS[key]} {2 * number:g}" if key in _OPTIONS else f"-o budget.{key}={2 * number:g}"
