"""Strict YAML reader: refuses what could be read in two ways, and keeps the line of each key and value."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import yaml
from pydantic import JsonValue

from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems, shown
from intelligen.config.files.text_file import UNWANTED, about_character, displayed, read_text
from intelligen.errors import ConfigError

MAX_DEPTH = 32

_STANDARD_TAG = "tag:yaml.org,2002:"
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_document(path: Path) -> Document:
    """A YAML file as plain data with the line of each part.

    Raises:
        ConfigError: there is no such file, it cannot be read, or it is not YAML with a mapping at its root.

    """
    return parse_document(read_text(path), displayed(path))


def parse_document(text: str, name: str) -> Document:
    """The same for a text that `name` names in messages; values that are not strict are the document's problems.

    Raises:
        ConfigError: the text is not YAML with a mapping at its root.

    """
    reader = _Reader(text, lambda line: f"{name}:{line}")
    data = reader.document()
    if not isinstance(data, dict):
        raise_problems(list(reader.problems.values()))
    if data is None:
        raise ConfigError(problem_line(f"{name}:1", "", "the file is empty; write the settings into it"))
    if not isinstance(data, dict):
        raise ConfigError(problem_line(reader.origins[()], "", f"must be a mapping of settings, got {shown(data)}"))
    return Document(data, reader.origins, reader.problems)


def parse_value(text: str, origin: str) -> JsonValue:
    """The value of an override: one plain scalar, or a quoted or bracketed YAML value.

    Unlike in a file, the whole text counts: `#`, `*` and `: ` have no meaning in a plain scalar.

    Raises:
        ConfigError: the text is not strict YAML; the message begins with `origin`.

    """
    text = text.strip()
    if unwanted := UNWANTED.search(text):
        raise ConfigError(problem_line(origin, "", about_character(unwanted[0])))
    if text[:1] in ("{", "[", '"', "'"):
        reader = _Reader(text, lambda line: origin)
        value = reader.document()
        raise_problems(list(reader.problems.values()))
        return value
    try:
        return plain_value(text)
    except ValueError as error:
        raise ConfigError(problem_line(origin, "", str(error))) from None


def plain_value(text: str) -> JsonValue:
    """What an unquoted scalar means: YAML 1.2's core schema, less all that YAML 1.1 reads differently.

    Raises:
        ValueError: a number that is ambiguous, not finite or out of range; the message is the reason and the fix.

    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _LEADING_ZERO.fullmatch(text):
        decimal = text.lstrip("+-").lstrip("0") or "0"
        raise ValueError(f'{text} may mean decimal or octal; write {decimal}, or "{text}" for text')
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number; write one")
    if _INT.fullmatch(text):
        if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
            raise ValueError("a whole number must fit into 64 bits; write a smaller one")
        return int(text)
    if _FLOAT.fullmatch(text):
        if not math.isfinite(float(text)):
            raise ValueError(f"{text} is out of a number's range; write a smaller one")
        return float(text)
    return text


class _Reader:
    """One pass over PyYAML's events; anchors, tags and the like are noted as problems, broken syntax ends it."""

    def __init__(self, text: str, origin: Callable[[int], str]) -> None:
        self.origins: dict[Key, str] = {}
        self.problems: dict[Key, str] = {}
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        self._origin = origin
        self._line = 1

    def document(self) -> JsonValue:
        """The only document of the stream; None where there is none."""
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        data = self._node(self._next(), ())
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._stop("a second document starts here; write one per file")
        return data

    def _next(self) -> yaml.Event:
        try:
            event: yaml.Event = next(self._events)
        except yaml.MarkedYAMLError as error:
            self._stop_at_syntax(error)
        except ValueError:  # PyYAML lets escapes beyond Unicode and absurd version numbers through to Python
            self._stop("not valid YAML: an escape or a version is out of range; correct it")
        assert event.start_mark is not None
        self._line = event.start_mark.line + 1
        return event

    def _stop_at_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        began, noticed = error.context_mark, error.problem_mark
        if "end of stream" in str(error.problem) or "<stream end>" in str(error.problem):
            noticed = began or noticed  # what is never closed is noticed too late: say where it began
        since = f"(line {began.line + 1})" if began and noticed and began.line != noticed.line else ""
        self._line = noticed.line + 1 if noticed else self._line
        reason = " ".join(part for part in (error.problem, error.context, since) if part)
        self._stop(f"not valid YAML: {reason}; check indentation, colons and quotation marks")

    def _stop(self, what: str) -> NoReturn:
        raise_problems([*self.problems.values(), problem_line(self._origin(self._line), "", what)])
        raise AssertionError("raise_problems raises where there is a problem")

    def _note(self, key: Key, what: str) -> None:
        self.problems.setdefault(key, problem_line(self._origin(self._line), dotted(key), what))

    def _node(self, event: yaml.Event, key: Key) -> JsonValue:
        self.origins.setdefault(key, self._origin(self._line))
        if isinstance(event, yaml.AliasEvent):
            self._note(key, f"*{event.anchor} refers to another value; write the value itself")
            return None
        assert isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent)
        if event.anchor is not None:
            self._note(key, f"anchor &{event.anchor} is not allowed; write each value where it is used")
        if event.tag is not None:
            self._note(key, f"tag {event.tag.replace(_STANDARD_TAG, '!!')} is not allowed; remove it")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, key)
        if len(key) >= MAX_DEPTH:
            self._stop(f"nested deeper than {MAX_DEPTH} levels; flatten it")
        return self._sequence(key) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(key)

    def _scalar(self, event: yaml.ScalarEvent, key: Key) -> JsonValue:
        if not event.implicit[0]:
            # Escapes bring in what the text itself must not hold: NUL, lone surrogates, terminal controls.
            if unwanted := UNWANTED.search(event.value):
                self._note(key, about_character(unwanted[0]))
            return str(event.value)
        try:
            return plain_value(event.value)
        except ValueError as error:
            self._note(key, str(error))
            return None

    def _sequence(self, key: Key) -> list[JsonValue]:
        values: list[JsonValue] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._node(event, (*key, len(values))))
        return values

    def _mapping(self, key: Key) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._key(event, key)
            child = (*key, name)
            if name in values:
                self._note(child, f"occurs twice, first at {self.origins[child]}; keep one of them")
            self.origins.setdefault(child, self._origin(self._line))
            value = self._node(self._next(), child)
            values.setdefault(name, value)
        return values

    def _key(self, event: yaml.Event, parent: Key) -> str:
        line, known = self._line, len(self.problems)
        child = (*parent, "?")
        name = self._node(event, child)
        del self.origins[child]
        if not isinstance(name, str) and len(self.problems) == known:
            what = f"a key must be text, got {shown(name)}; quote it"
            self.problems[*parent, str(name)] = problem_line(self._origin(line), dotted(parent), what)
        return str(name)
