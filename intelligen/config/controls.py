"""What a strategy gains is told beside its controls: without them, something else may be the cause."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

NULL_CONTROLS: Final = ("seqgan_constant", "seqgan_random")
CONTROLS: Final = ("standard", "standard_matched", *NULL_CONTROLS)
COSTLIER: Final = ("recurrent", "generative", "seqgan", "intelligen")
"""An update of these takes longer than a teacher-forced one: docs/strategies.md, costs."""


def missing_controls(strategies: Sequence[str]) -> list[str]:
    """One line for each control that these strategies want and do not have among them: what, why, the mend."""
    return list(_missing(strategies))


def _missing(names: Sequence[str]) -> Iterator[str]:
    own = [name for name in names if name not in CONTROLS]
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


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
