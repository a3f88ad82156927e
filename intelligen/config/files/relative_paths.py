"""Relative paths in files: they start at the file's folder; the keys that hold paths are found by type."""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from intelligen.config.base import Settings
from intelligen.config.document import Document, Key, dotted, problem_line, shown
from intelligen.config.schema.local_path import Local
from intelligen.config.schema.setting_paths import alternatives, child, is_settings


def from_folder(document: Document, folder: Path, settings: type[Settings]) -> Document:
    """A file's document with its relative paths taken from the file's folder.

    A path that leads nowhere from there, but somewhere from the working directory, becomes one of the document's
    problems: files of the first release meant that place.

    Args:
        document: The contents of one file.
        folder: Where the file lies.
        settings: What the file holds.

    """
    data, problems = copy.deepcopy(document.data), dict(document.problems)
    for key, local in local_keys(settings, data).items():
        group: Any = data
        for part in key[:-1]:
            group = group[part]
        text = group[key[-1]]
        if what := _misplaced(local, text, folder):
            problems[key] = problem_line(document.origin(key), dotted(key), what)
        elif (path := local.path_in(text, folder)) is not None:
            group[key[-1]] = local.with_path(text, folder / path)
    return Document(data, document.origins, problems)


def local_keys(settings: type[Settings], data: JsonValue) -> dict[Key, Local]:
    """The keys in unchecked data whose text may name a place of this machine."""
    return dict(_found(settings, data, ()))


def _found(annotation: Any, value: JsonValue, key: Key) -> list[tuple[Key, Local]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Key, Local]] = []
    for option in _fitting(alternatives(annotation), value):
        for part, inner in parts:
            field = option.model_fields.get(str(part)) if is_settings(option) else None
            # Empty text is no path: joined to a folder it would be that folder, and pass.
            if field is not None and isinstance(inner, str) and inner and (local := _marker(field)):
                found.append(((*key, part), local))
            elif isinstance(inner, dict | list) and (below := child(option, part)) is not None:
                found += _found(below, inner, (*key, part))
    return found


def _fitting(options: Mapping[str, Any], value: JsonValue) -> list[Any]:
    """The option that the value's `name` chooses; all where it chooses none."""
    name = value.get("name") if isinstance(value, dict) else None
    return [options[name]] if isinstance(name, str) and name in options else list(options.values())


def _marker(field: FieldInfo) -> Local | None:
    """Of `LocalPath` pydantic keeps the marker with the field, of `LocalPath | None` with the type."""
    inside = (mark for member in get_args(field.annotation) for mark in getattr(member, "__metadata__", ()))
    return next((mark for mark in (*field.metadata, *inside) if isinstance(mark, Local)), None)


def _misplaced(local: Local, text: str, folder: Path) -> str | None:
    path = local.path_in(text, Path())
    if path is None or path.is_absolute() or os.path.lexists(folder / path) or not os.path.lexists(path):
        return None
    there = local.with_path(text, Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))))
    return (
        f"{shown(text)} exists in the working directory, but a relative path starts at this file's folder;"
        f" write {shown(there)}"
    )
