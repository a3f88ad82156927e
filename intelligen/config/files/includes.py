"""The `include:` of files: fragments lie below the file's own settings, which win."""

import os
from pathlib import Path
from typing import Any, get_origin

from pydantic import JsonValue

from intelligen.config.base import Settings
from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems, shown
from intelligen.config.files.project_folder import project_of, require_inside
from intelligen.config.files.relative_paths import from_folder
from intelligen.config.files.text_file import displayed, read_text
from intelligen.config.files.yaml_file import parse_document
from intelligen.config.schema.setting_paths import alternatives, child, default_option, is_settings, named_options
from intelligen.errors import ConfigError

INCLUDE = "include"
MAX_FRAGMENTS = 32


def with_fragments(document: Document, path: Path, settings: type[Settings]) -> Document:
    """A file and the fragments that its `include` names, as one document; every part keeps its own file and line.

    Mappings are merged key by key; of anything else the later fragment's value counts, and above all the file's own.
    Another option (another `name`, another form of a search space) replaces the former with all its settings, and one
    key of a pair (`Settings.either`) the other.

    Args:
        document: the file's contents.
        path: the file's own.
        settings: what the file holds.

    Raises:
        ConfigError: a fragment cannot be read, is no strict YAML, lies outside of the project or includes itself, or
            there are more than 32 of them.

    """
    return _Includes(settings, project_of(path)).complete(document, path, (Path(os.path.realpath(path)),))


class _Includes:
    def __init__(self, settings: type[Settings], project: Path) -> None:
        self._settings = settings
        self._project = project
        self._fragments = 0

    def complete(self, document: Document, path: Path, around: tuple[Path, ...]) -> Document:
        """The document over its fragments; `around` are the files whose fragment it is, itself the last of them."""
        below = Document({}, {})
        for number, name in enumerate(_named(document)):
            try:
                fragment, text = self._read(name, path, around)
            except ConfigError as error:
                raise _refusal(document, (INCLUDE, number), str(error)) from None
            contents = parse_document(text, displayed(fragment))
            contents = self.complete(contents, fragment, (*around, Path(os.path.realpath(fragment))))
            below = _overlaid(below, contents, self._settings)
        own = {key: value for key, value in document.data.items() if key != INCLUDE}
        above = from_folder(Document(own, document.origins, document.problems), path.parent, self._settings)
        return _overlaid(below, above, self._settings)

    def _read(self, name: str, by: Path, around: tuple[Path, ...]) -> tuple[Path, str]:
        path = by.parent / name
        require_inside(self._project, path)
        if Path(os.path.realpath(path)) in around:
            raise ConfigError(f"{displayed(path)} would include itself; remove one of the two includes")
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            raise ConfigError(f"more than {MAX_FRAGMENTS} included files; merge some of them")
        return path, read_text(path)


def _named(document: Document) -> list[str]:
    raise_problems([line for key, line in document.problems.items() if key[:1] == (INCLUDE,)])
    names = document.data.get(INCLUDE, [])
    if not isinstance(names, list):
        fix = f"; write [{names}]" if isinstance(names, str) else ""
        raise _refusal(document, (INCLUDE,), f"must be a list of paths, got {shown(names)}{fix}")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise _refusal(document, (INCLUDE, number), f"must be a path, got {shown(name)}")
    return [str(name) for name in names]


def _refusal(document: Document, key: Key, what: str) -> ConfigError:
    return ConfigError(problem_line(document.origin(key), dotted(key), what))


def _overlaid(below: Document, above: Document, settings: type[Settings]) -> Document:
    replaced: set[Key] = set()
    merged = _merged(below.data, above.data, settings, (), replaced)
    assert isinstance(merged, dict)

    def left(of_keys: dict[Key, str]) -> dict[Key, str]:
        return {
            key: text
            for key, text in of_keys.items()
            if replaced.isdisjoint(key[:length] for length in range(1, len(key) + 1))
        }

    return Document(merged, left(below.origins) | above.origins, left(below.problems) | above.problems)


def _merged(below: JsonValue, above: JsonValue, annotation: Any, key: Key, replaced: set[Key]) -> JsonValue:
    """One value over another; notes the keys at which nothing of the lower one is left."""
    if isinstance(below, dict) and isinstance(above, dict):
        group = _common_group(annotation, below, above)
        if group is not None:
            if is_settings(group):
                others = {group.instead_of(part) for part, value in above.items() if value is not None} - above.keys()
                replaced |= {(*key, other) for other in others if other in below}
                below = {part: value for part, value in below.items() if part not in others}
            merged = {
                part: _merged(below[part], value, child(group, part), (*key, part), replaced)
                for part, value in above.items()
                if part in below
            }
            return below | above | merged
    replaced.add(key)
    return above


def _common_group(annotation: Any, below: dict[str, JsonValue], above: dict[str, JsonValue]) -> Any:
    """The type of which both mappings are parts; None where they are of different types, or of none that has parts.

    Without a name the upper one is of the lower one's type, and the lower one of the default.
    """
    options = alternatives(annotation)
    if named_options(options):
        chosen = {_option(below, default=default_option(annotation)), _option(above)} & options.keys()
        return options[chosen.pop()] if len(chosen) == 1 else None
    groups = [option for option in options.values() if is_settings(option) or get_origin(option) is dict]
    return groups[0] if len(groups) == 1 else None


def _option(value: dict[str, JsonValue], *, default: str | None = None) -> str:
    """The option that a mapping says it is: by its `name`, or as a form of a search space by its only key."""
    return str(value["name"] if "name" in value else default or next(iter(value), ""))
