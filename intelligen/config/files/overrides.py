"""Overrides (`-o KEY=VALUE`): written over a document, the same from the command line and from a search."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from intelligen.config.base import Settings
from intelligen.config.document import Document, Key, problem_line, raise_problems
from intelligen.config.files.yaml_file import parse_value
from intelligen.config.schema.local_keys import DottedKeysOf
from intelligen.config.schema.setting_paths import (
    alternatives,
    child,
    chosen_option,
    default_option,
    instead_of,
    is_settings,
    named_options,
    numbered,
    option_names,
)
from intelligen.config.schema.strategies import ALIASES
from intelligen.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """A new value for a dotted key."""

    key: str
    value: JsonValue
    origin: str = ""
    """What messages call it: `-o KEY=VALUE`; empty for a search's suggestion."""


def parse_override(text: str) -> Override:
    """`KEY=VALUE`, the value in strict YAML.

    Raises:
        ConfigError: there is no `=`, the key has an empty part, or the value is not strict YAML.

    """
    origin = f"-o {text}"
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() == part != "" for part in key.split(".")):
        raise ConfigError(problem_line(origin, "", "write it as -o KEY=VALUE, with dots between the parts of the key"))
    return Override(key, parse_value(value, origin), origin)


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Several of them.

    Raises:
        ConfigError: see `parse_override`; a line for each.

    """
    found, problems = list[Override](), list[str]()
    for text in texts:
        try:
            found.append(parse_override(text))
        except ConfigError as error:
            problems += error.args
    raise_problems(problems)
    return found


def with_overrides(document: Document, settings: type[Settings], changes: Sequence[Override]) -> Document:
    """The document with the changes written into it, unchecked.

    Text at a setting with options is short for its `name`; the command line may give an alias (`gen`). A new `name`
    drops the former option's settings, and names are written first. Then whole groups are written before their parts.
    Groups that the document leaves out appear with their defaults. One key of a pair (`Settings.either`) takes the
    other's place.
    """

    def rank(change: Override) -> tuple[bool, int]:
        return not change.key.endswith(".name"), change.key.count(".")

    written = Document(copy.deepcopy(document.data), dict(document.origins), dict(document.problems))
    complete = [*changes, *_replaced_by(changes, settings)]
    for change in sorted((_spelt_out(change, settings) for change in complete), key=rank):
        replaced = _write(written.data, settings, change.key.split("."), change.value, ())
        for table in (written.origins, written.problems):
            for key in [key for key in table if key[: len(replaced)] == replaced]:
                del table[key]
        if change.origin:
            written.origins[replaced] = change.origin
    return written


def _replaced_by(changes: Sequence[Override], settings: type[Settings]) -> list[Override]:
    """No value for the other key of each pair of which the changes give one; where they give both, both stay."""
    given = {change.key for change in changes}
    others = [(instead_of(settings, change.key), change) for change in changes if change.value is not None]
    return [Override(key, None, change.origin) for key, change in others if key is not None and key not in given]


def _spelt_out(change: Override, settings: type[Settings]) -> Override:
    if not isinstance(change.value, str):
        return change
    key = change.key if option_names(settings, change.key) else change.key.removesuffix(".name")
    options = option_names(settings, key)
    full = ALIASES.get(change.value) if change.origin else None
    return Override(f"{key}.name", full if full in options else change.value, change.origin) if options else change


def _write(node: Any, annotation: Any, parts: list[str], value: JsonValue, path: Key) -> Key:
    """Write the value into a mapping or list; returns the outermost key whose contents are now the change's."""
    options = alternatives(annotation)
    part, rest = _next_part(node, parts, dotted_keys=path[:1] == ("space",) or _is_variant(annotation))
    if not rest:
        if part == "name" and named_options(options) and node.get("name", default_option(annotation) or value) != value:
            node.clear()
            node["name"] = value
            return path
        node[part] = value
        return (*path, part)
    inner = node.get(part) if isinstance(node, dict) else node[part]
    chosen = chosen_option(annotation, node)
    if _leads_on(inner, rest[0]):
        return _write(inner, child(chosen, part), rest, value, (*path, part))
    group = _default(chosen, part)
    node[part] = group = group if _leads_on(group, rest[0]) else {}
    _write(group, child(chosen, part), rest, value, (*path, part))
    return (*path, part)


def _leads_on(inner: Any, part: str) -> bool:
    """Whether a key may go on there: in any mapping, and in a list that has such an entry."""
    return isinstance(inner, dict) or (isinstance(inner, list) and numbered(part) in range(len(inner)))


def _is_variant(annotation: Any) -> bool:
    return any(isinstance(mark, DottedKeysOf) for mark in get_args(annotation))


def _next_part(node: Any, parts: list[str], *, dotted_keys: bool) -> tuple[str | int, list[str]]:
    """The next key and what is left; keys of a search space and of a row hold dots themselves, a list's are numbers."""
    if isinstance(node, list):
        return numbered(parts[0]), parts[1:]
    for length in range(len(parts), 0, -1):
        if (key := ".".join(parts[:length])) in node:
            return key, parts[length:]
    return (".".join(parts), []) if dotted_keys else (parts[0], parts[1:])


def _default(settings: Any, part: str | int) -> Any:
    default = settings.model_fields[part].default if is_settings(settings) and part in settings.model_fields else None
    return to_jsonable_python(default) if isinstance(default, Settings | dict | tuple) else {}
