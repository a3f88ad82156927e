"""Comparison of two revisions: they agree where each thing has the same facts; else the first difference is shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from revisions.reading import SETTINGS, Facts

_KEYS_SHOWN = 5


@dataclass(frozen=True)
class Difference:
    """Where two revisions part. None: one of them does not have it."""

    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} → {_shown(self.after)}"


@dataclass(frozen=True)
class Comparison:
    """What became of one thing."""

    thing: str
    difference: Difference | None
    """The first, where there is one."""
    added: tuple[str, ...] = ()
    """Settings that the parent does not know: they are told, and no difference."""

    def __str__(self) -> str:
        if self.difference is not None:
            return f"differs  {self.thing}: {self.difference}"
        return f"same     {self.thing}" + (f" (new: {_listed(self.added)})" if self.added else "")


def compare(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterator[Comparison]:
    """One verdict for each thing that either revision has made."""
    for thing in [*before, *(name for name in after if name not in before)]:
        if thing not in before or thing not in after:
            made = ("made", None) if thing in before else (None, "made")
            yield Comparison(thing, Difference("it", *made))
            continue
        known, now = before[thing], after[thing]
        added = [key for key in now if key not in known]
        grows = thing.endswith(SETTINGS)
        keys = [*known, *([] if grows else added)]
        parting = (Difference(key, known.get(key), now.get(key)) for key in keys if known.get(key) != now.get(key))
        yield Comparison(thing, next(parting, None), tuple(added) if grows else ())


def _shown(value: str | None) -> str:
    return "nothing" if value is None else value


def _listed(keys: Sequence[str]) -> str:
    more = [f"and {len(keys) - _KEYS_SHOWN} more"] if len(keys) > _KEYS_SHOWN else []
    return ", ".join([*keys[:_KEYS_SHOWN], *more])
