"""Keys of settings that hold paths of this machine, found by type; mappings of dotted keys among them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from intelligen.config.base import Settings
from intelligen.config.document import Key
from intelligen.config.schema.local_path import Local
from intelligen.config.schema.setting_paths import alternatives, child, is_settings


@dataclass(frozen=True)
class DottedKeysOf:
    """Marks a mapping of dotted keys of other settings to values; paths among the values become absolute."""

    settings: type[Settings]
    beside: tuple[str, ...] = ()
    """Keys that are none of these settings'."""

    def local_keys(self, given: Mapping[str, JsonValue]) -> Iterator[tuple[Key, Local]]:
        """The mapping's key of every path, and of what a group of settings in it holds the rest of the key."""
        for name, value in given.items():
            parts = name.split(".")
            nested: JsonValue = value
            for part in reversed(parts):
                nested = {part: nested}
            for key, local in _found(self.settings, nested, ()):
                yield (name, *key[len(parts) :]), local

    def _absolute(self, given: dict[str, Any]) -> dict[str, Any]:
        for key, local in self.local_keys(given):
            group: Any = given
            for part in key[:-1]:
                group = group[part]
            group[key[-1]] = local.absolute(group[key[-1]])
        return given

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The mapping, then its paths."""
        return core_schema.no_info_after_validator_function(self._absolute, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The mapping; of its keys, how they may begin."""
        beginnings = rf"^({'|'.join(self.settings.model_fields)})(\.|$)"
        whole = [rf"^{key}$" for key in self.beside]
        return {**handler(schema), "propertyNames": {"pattern": "|".join((beginnings, *whole))}}


def local_keys(settings: type[Settings], data: JsonValue) -> dict[Key, Local]:
    """The keys in unchecked data whose text may name a place of this machine."""
    return dict(_found(settings, data, ()))


def _found(annotation: Any, value: JsonValue, key: Key) -> list[tuple[Key, Local]]:
    if isinstance(value, dict) and (marks := [mark for mark in get_args(annotation) if isinstance(mark, DottedKeysOf)]):
        return [((*key, *found), local) for found, local in marks[0].local_keys(value)]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Key, Local]] = []
    for option in fitting_options(alternatives(annotation), value):
        for part, inner in parts:
            field = option.model_fields.get(str(part)) if is_settings(option) else None
            # Empty text is no path: joined to a folder it would be that folder, and pass.
            if field is not None and isinstance(inner, str) and inner and (local := _marker(field)):
                found.append(((*key, part), local))
            elif isinstance(inner, dict | list) and (below := child(option, part)) is not None:
                found += _found(below, inner, (*key, part))
    return found


def fitting_options(options: Mapping[str, Any], value: JsonValue) -> list[Any]:
    """The option that the value's `name` chooses; all where it chooses none."""
    name = value.get("name") if isinstance(value, dict) else None
    return [options[name]] if isinstance(name, str) and name in options else list(options.values())


def _marker(field: FieldInfo) -> Local | None:
    """Of `LocalPath` pydantic keeps the marker with the field, of `LocalPath | None` with the type."""
    inside = (mark for member in get_args(field.annotation) for mark in getattr(member, "__metadata__", ()))
    return next((mark for mark in (*field.metadata, *inside) if isinstance(mark, Local)), None)
