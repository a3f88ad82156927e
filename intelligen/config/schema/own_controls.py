"""Own controls: rows that costly strategies are held against, each trained for as long as its strategy; their names.

The row `seqgan_matched` is trained by `standard_matched`, with as many updates as take the time of `seqgan`.
"""

from collections.abc import Iterable, Sequence

from intelligen.config.schema.declarations import MATCHED, STANDARD
from intelligen.config.schema.strategies import STRATEGIES, declared

_SUFFIX = MATCHED.removeprefix(STANDARD)


def own_control(strategy: str) -> str:
    """`seqgan_matched`, of `seqgan`."""
    return f"{strategy}{_SUFFIX}"


def own_controls(strategies: Iterable[str]) -> dict[str, str]:
    """Own control → its strategy, of the costly ones among these; what is no strategy has none."""
    known = STRATEGIES.names()
    return {own_control(name): name for name in strategies if name in known and MATCHED in declared(name).controls}


def trained_by(row: str) -> str:
    """The strategy that trains a row of strategies: the one of that name, or of an own control `standard_matched`."""
    known = STRATEGIES.names()
    return MATCHED if row not in known and row.removesuffix(_SUFFIX) in known else row


def unfit_for_own_controls(strategies: Sequence[str], *, control: str) -> str | None:
    """Why a sweep can have no own controls, as a message goes on; None where it can.

    Of names that are no strategies nothing is said: they may be misspelt, which the check of the space reports.

    Args:
        strategies: Of its space.
        control: The one that all differences are against.

    """
    known = STRATEGIES.names()
    if any(name not in known for name in strategies):
        return None
    own = own_controls(strategies)
    if STANDARD not in strategies:
        return f"needs {STANDARD} among the strategies of space.strategy"
    if control != STANDARD:
        return f"needs {STANDARD} as rows.strategies.control, got {control}"
    if not own:
        return f"is for strategies that cost more than {STANDARD}, and space.strategy has none"
    taken = [row for row in own if row in known]
    return f"makes a row {taken[0]}, and there is a strategy of that name" if taken else None
