"""Lines for a launch that finds nothing left to do: that its sweep is complete, and how to go on with more trials."""

from collections import Counter
from collections.abc import Iterator, Sequence

from intelligen.analysis.suggested_command import command_line, run_again
from intelligen.config.schema.sweep import Sweep
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
        such = " that starts from its trials" if _teaches(sweep) else ""
        yield f"         its search has ended; another sweep{such}, with seeds of its own:"
        yield f"         {run_again(given, _another(context), store=context.store)}"
        return
    more = " ".join(_more(key, max(number, _ran(context, key))) for key, number in budget.items())
    yield "         to search on, give it a larger budget, such as:"
    yield f"         {command_line('extend', context.directory)} {more}"


def _another(context: SweepContext) -> dict[str, object]:
    """The overrides of a sweep that goes on from this one, with baselines and confirmations of its own."""
    name = context.sweep.name
    learns = {"search.warm_start.sweep": name} if _teaches(context.sweep) else {}
    # Of seeds that have been used, the results are known already.
    seed = max(record.seed for record in context.ledger.trials.values()) + 1
    return {"name": f"{name}-more", "experiment.seed": seed, **learns}


def _teaches(sweep: Sweep) -> bool:
    """Whether a sweep with the same settings may start from this one's trials."""
    return sweep.search.replicates == 1 and sweep.search.sampler != "grid"


def _ran(context: SweepContext, key: str) -> int:
    """Trials that a larger budget than this launch's has had begun, in the unit of `key`; 0 in other units."""
    suggested = [record.row for record in context.ledger.trials.values() if record.suggested]
    most = max(Counter(suggested).values(), default=0)
    return {"trials": len(suggested), "trials_per_strategy": most}.get(key, 0)


def _more(key: str, number: float) -> str:
    """Twice as much of a budget."""
    # Counts are written out: 2e+06 is no whole number in a sweep file.
    more = f"{2 * number:g}" if isinstance(number, float) else str(2 * number)
    return f"{_OPTIONS[key]} {more}" if key in _OPTIONS else f"-o budget.{key}={more}"
