"""Files are examined as a whole: what is broken is left out, so that the rest is checked in the same round."""

import copy
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import JsonValue

from intelligen.config.base import Settings
from intelligen.config.document import Document, Key, raise_problems
from intelligen.config.files.config_errors import Problem, check, placing

S = TypeVar("S", bound=Settings)
_MOST_ROUNDS = 16


@dataclass(frozen=True)
class Examined(Generic[S]):
    """A document's settings, and all that is wrong with them."""

    settings: S | None
    """Without the broken parts, which have their defaults; None where these cannot be left out."""
    lines: list[str]
    """Of each problem."""
    left_out: frozenset[Key]
    """The broken parts."""
    rest: dict[str, JsonValue]
    """The document's data without them."""

    def intact(self, *roots: str) -> bool:
        """Whether nothing is left out below these keys."""
        return not any(key[0] in roots for key in self.left_out)


def validated(settings: type[S], document: Document) -> S:
    """The settings that the document holds.

    Raises:
        ConfigError: a key is unknown or missing, or a value breaks its rule; one line for each.
        DataError: A directory that a key names does not hold what it must.
        UnavailableError: What a key asks for is not installed, or cannot be reached.

    """
    found = examined(settings, document)
    raise_problems(found.lines)
    assert found.settings is not None
    return found.settings


def examined(settings: type[S], document: Document) -> Examined[S]:
    """The settings that a document holds, as far as they are right.

    A rule over several settings is not judged where one of them is broken.

    Raises:
        DataError: A directory that a key names does not hold what it must.
        UnavailableError: What a key asks for is not installed, or cannot be reached.

    """
    left_out = set(document.problems)
    data = _without(document.data, left_out)
    problems: dict[Problem, None] = {}
    found: S | list[Problem] = []
    for number in range(_MOST_ROUNDS):
        with placing(lambda problem: problem.line(document)):
            found = check(settings, data)
        if not isinstance(found, list):
            break
        # What is left out may leave a group incomplete or empty: of later rounds only broken rules are news.
        new = (one for one in found if (one.of_rule or not number) and not _follows(one, left_out))
        problems |= dict.fromkeys(new)
        broken = {key for one in found if (key := _part_of(data, one.key))}
        if not broken:
            break
        left_out |= broken
        data = _without(data, broken)
    lines = [*document.problems.values(), *(problem.line(document) for problem in problems)]
    complete = None if isinstance(found, list) else found
    return Examined(complete, list(dict.fromkeys(lines)), frozenset(left_out), data)


def _follows(problem: Problem, left_out: Collection[Key]) -> bool:
    """Whether it says no more than that a part is left out, which is at its key or which it names."""
    depth = len(problem.key)
    around = [key[depth:] for key in left_out if key[:depth] == problem.key]
    return any(not below or re.search(rf"(?<!\w){re.escape(str(below[0]))}(?!\w)", problem.what) for below in around)


def _part_of(data: JsonValue, key: Key) -> Key:
    """The nearest part at or around a key that a mapping holds; empty where that is the whole document."""
    found: Key = ()
    for part in key:
        if not isinstance(data, dict) or part not in data:
            break
        data, found = data[str(part)], (*found, part)
    return found


def _without(data: dict[str, JsonValue], keys: Iterable[Key]) -> dict[str, JsonValue]:
    rest = copy.deepcopy(data)
    for key in keys:
        *groups, last = _part_of(rest, key) or (None,)
        group: Any = rest
        for part in groups:
            group = group[part]
        group.pop(last, None)
    return rest
