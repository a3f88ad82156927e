"""Validation errors as lines: each broken rule once, at the key where the user wrote it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from intelligen.config.base import Settings
from intelligen.config.document import Document, Key, dotted, nearest, one_of, problem_line, shown
from intelligen.config.files.messages import no_form, no_member, sentence
from intelligen.config.files.several_values import form_of, sweep_line
from intelligen.config.schema.setting_paths import (
    alternatives,
    child,
    chosen_option,
    is_settings,
    is_unnamed_in_errors,
    named_options,
    whole_annotation,
)
from intelligen.config.schema.strategies import EARLIER_NAMES, meant_strategy
from intelligen.errors import IntelligenError

S = TypeVar("S", bound=Settings)

# `dict[…]`, or with validators around it `function-after[_rule(), SomeSettings]`.
_MEMBER = re.compile(r"(?:function-(?:after|before|wrap)\[\w+\(\), )*(?:constrained-)?([^\[\]]+)")


@dataclass(frozen=True)
class Problem:
    """One broken rule."""

    key: Key
    what: str
    written: Key
    """The key whose line shows the user where to look."""
    of_rule: bool = False
    """Whether a rule over several settings is broken, which is judged only where each of them is right."""

    def line(self, document: Document) -> str:
        """`FILE:LINE: KEY: WHAT`."""
        origin = document.origin(self.written)
        return problem_line(origin, dotted(self.key), self.what + sweep_line(origin))


@contextmanager
def placing(line: Callable[[Problem], str]) -> Iterator[None]:
    """Meanwhile errors of what a setting names on the disk or the hub, whose lines begin with the key, say the place.

    Args:
        line: The problem in words, with where it was written.

    """
    try:
        yield
    except IntelligenError as error:
        parts = [str(one).partition(": ") for one in error.args]
        problems = [Problem(key := tuple(name.split(".")), what, key) for name, _, what in parts]
        raise type(error)(*map(line, problems)) from error


def check(settings: type[S], data: dict[str, JsonValue]) -> S | list[Problem]:
    """The settings, or all that is wrong with them."""
    try:
        # By way of JSON a list may fill a tuple, while strictness still keeps "1" from becoming 1.
        return settings.model_validate_json(json.dumps(data))
    except ValidationError as error:
        found = [_problem(detail, settings, data) for detail in error.errors(include_url=False, include_input=False)]
        return list(dict.fromkeys(problem for problem in found if problem is not None))


@dataclass
class _Location:
    """A walk down the data and their types at once; pydantic's locations also name the union members it tried."""

    annotation: Any
    value: JsonValue
    key: Key = ()
    group: Any = None
    """The type that the last part of the key belongs to."""
    siblings: Mapping[str, Any] | None = None
    """The alternatives to `group`."""

    def step(self, part: str | int) -> None:
        (self.group,) = alternatives(self.annotation).values()
        self.annotation = child(self.group, part)
        self.key = (*self.key, part)
        self.value = _part(self.value, part)


def _problem(detail: ErrorDetails, settings: type[Settings], data: dict[str, JsonValue]) -> Problem | None:
    """None where another problem reports it: that of a union's member that fits better, or of a list's entry."""
    location = _Location(settings, data)
    siblings: Mapping[str, Any] = {}
    for part in detail["loc"]:
        if is_unnamed_in_errors(location.annotation) and (chosen := chosen_option(location.annotation, location.value)):
            location.annotation = chosen  # such a location names no member
        options = alternatives(location.annotation)
        if part == "[key]":
            location.value = str(location.key[-1])
        elif len(options) > 1:
            fitting = _fitting(options, location.value)
            if fitting is None:
                return Problem(location.key, no_member(options, location.value), location.key)
            if _member(str(part)) != fitting:
                return None
            location.annotation, siblings = options[fitting], options
        else:
            location.siblings, siblings = siblings, {}
            location.step(part)
    match detail["type"], location.value:
        case "too_short", list() | dict() as written if len(written) >= detail["ctx"]["min_length"]:
            return None  # pydantic counts right entries only; the wrong ones are problems of their own
    return _worded(detail, location)


def _worded(detail: ErrorDetails, location: _Location) -> Problem:
    kind, context, key = detail["type"], detail.get("ctx", {}), location.key
    match kind:
        case "missing":
            fix = "add it" if isinstance(key[-1], str) else "the list is too short"
            return Problem(key, f"required, but missing; {fix}", key[:-1])
        case "extra_forbidden":
            return Problem(key, _unknown(location), key)
        case "space_form":
            return Problem(key, no_form(location.value, form_of(location.value, key)), key)
        case "union_tag_not_found" | "union_tag_invalid":
            names = [name for name in alternatives(location.annotation) if name not in EARLIER_NAMES]
            name = _part(location.value, "name")
            missing = f"required, but missing; write one of {', '.join(map(shown, names))}"
            wrong = one_of(names, name, meant=meant_strategy(str(name)))
            return Problem((*key, "name"), missing if name is None else wrong, (*key, "name"))
    (annotation, *others) = alternatives(location.annotation).values() if location.annotation else (None,)
    what = sentence(kind, context, location.value, location.annotation if others else annotation)
    if kind == "value_error":
        return Problem(key, what, (*key, *_mentioned(what, location.value)), of_rule=True)
    return Problem(key, what, key)


def _unknown(location: _Location) -> str:
    part = str(location.key[-1])
    known = list(location.group.model_fields)
    siblings = location.siblings or {}
    if named_options(siblings):
        here = next(label for label, option in siblings.items() if option is location.group)
        owners = [shown(label) for label, option in siblings.items() if part in option.model_fields]
        if owners:
            return f"unknown key of {shown(here)}; it belongs to {' and '.join(owners)}"
    hint = nearest(part, known)
    below = [
        f"{name}.{part}"
        for name, field in location.group.model_fields.items()
        if any(is_settings(one) and part in one.model_fields for one in alternatives(whole_annotation(field)).values())
    ]
    if below and not hint.endswith("?"):
        hint = f"did you mean {' or '.join(map(shown, below))}?"
    return f"unknown key; {hint}"


def _mentioned(what: str, value: JsonValue) -> Key:
    """The first key that a rule over several settings names and the user wrote."""
    for word in re.findall(r"[a-z_]+(?:\.[a-z0-9_]+)*", what):
        if (key := _written(value, word.split("."))) is not None:
            return key
    return ()


def _written(value: JsonValue, parts: Sequence[str]) -> Key | None:
    """The key of those parts, where it has a value; keys of a search space hold dots themselves."""
    if not parts:
        return () if value is not None else None
    if isinstance(value, dict):
        for length in range(1, len(parts) + 1):
            head = ".".join(parts[:length])
            if head in value and (rest := _written(value[head], parts[length:])) is not None:
                return (head, *rest)
    return None


def _fitting(options: Mapping[str, Any], value: JsonValue) -> str | None:
    """The member of a union that the value was meant for, by its name, its keys or its shape."""
    if isinstance(value, dict):
        if isinstance(name := value.get("name"), str) and name in options:
            return name
        common = {label: len(o.model_fields.keys() & value.keys()) for label, o in options.items() if is_settings(o)}
        if common:
            return max(common, key=lambda label: common[label])
    shape = type(value).__name__
    shapes = {"dict": ("dict",), "list": ("list",), "int": ("int", "float"), "float": ("float",)}.get(shape, ())
    return next((one for one in shapes if one in options), None)


def _member(label: str) -> str:
    """The member of a union that a part of pydantic's location names, without the validators around it."""
    named = _MEMBER.match(label)
    return named[1] if named else label


def _part(value: JsonValue, part: str | int) -> JsonValue:
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
