"""Trials that a page has room for: of many the notable ones, and how many there are is always said."""

from collections.abc import Sequence
from typing import TypeVar

from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.metric_direction import ranked

Item = TypeVar("Item")


def shown_trials(
    study: StudyResults, members: Sequence[SeedModel], most: int, *groups: Sequence[SeedModel]
) -> list[SeedModel]:
    """At most so many of these trials, in their order; all of them where there is room.

    Each group in turn, then the best by the objective, get up to half of the room that is left; what remains goes to
    the others, evenly spaced.

    Args:
        study: Of which they are.
        members: To choose from.
        most: How many there is room for.
        groups: Notable ones among them, each by importance.

    """
    if len(members) <= most:
        return list(members)
    by_merit = ranked(study.metric, members, value=lambda member: member.value(study.metric))
    chosen: set[str] = set()
    for group in (*groups, by_merit):
        new = [member.record.id for member in group if member.record.id not in chosen]
        chosen.update(new[: (most - len(chosen)) // 2])
    others = [member.record.id for member in members if member.record.id not in chosen]
    chosen.update(evenly(others, most - len(chosen)))
    return [member for member in members if member.record.id in chosen]


def count_of(shown: Sequence[object], of: Sequence[object], what: str = "trials") -> str:
    """`300 trials`, or which of how many where some are not shown."""
    if len(shown) == len(of):
        return f"{len(shown)} {what}"
    return f"{len(shown):,} of {len(of):,} {what}, the best and evenly many of the others"


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly spaced; the first and the last are among two or more."""
    if len(items) <= most:
        return list(items)
    last = max(1, most - 1)
    return [items[step * (len(items) - 1) // last] for step in range(most)]
