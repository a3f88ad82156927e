"""Writes the reference in docs/sweep-file.md from the settings themselves, so that it cannot differ from them.

    python scripts/write_reference.py

replaces what stands between the page's two markers.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.space_forms import FORMS
from intelligen.config.schema.sweep import Sweep

PAGE = Path(__file__).parents[1] / "docs" / "sweep-file.md"
BEGIN, END = "<!-- reference: written by scripts/write_reference.py -->", "<!-- end of the reference -->"
FORM_NAMES = {form.__name__ for form in FORMS.values()}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {"string": "text", "null": "`null`"}

Schema = dict[str, Any]


def with_reference(page: str) -> str:
    """The page with the settings as they are now between its markers."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    schemas: dict[str, Schema] = models_json_schema([(Sweep, "validation"), (Experiment, "validation")])[1]["$defs"]
    sections = _sections("Sweep", schemas, title="Keys of the sweep file")
    sections += _sections("Experiment", schemas, title="Keys of the experiment file")
    return "\n\n".join([head + BEGIN, *sections, END + tail])


def _sections(root: str, schemas: dict[str, Schema], *, title: str) -> list[str]:
    """A file's own keys, then one section for each group of settings below it, with all keys at which it stands."""
    places: dict[str, list[str]] = {}
    _place(root, "", schemas, places)
    del places[root]
    anchors = {group: _anchor(_heading(group, keys, schemas)) for group, keys in places.items()}
    sections = [f"## {title}\n\n{_section(schemas[root], anchors)}"]
    for group, keys in places.items():
        sections.append(f"### {_heading(group, keys, schemas)}\n\n{_section(schemas[group], anchors)}")
    return sections


def _place(group: str, key: str, schemas: dict[str, Schema], places: dict[str, list[str]]) -> None:
    if key in places.setdefault(group, []):
        return  # two options of one setting may share a group
    places[group].append(key)
    for name, field in schemas[group]["properties"].items():
        inner = f"{key}.{name}".removeprefix(".")
        inner += ".SPLIT" if "patternProperties" in field else ".NUMBER" if "items" in field else ""
        for found in _groups(field):
            _place(found, inner, schemas, places)


def _groups(field: Schema) -> list[str]:
    """The groups of settings that a field may hold, the forms of a search space apart."""
    names = re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(field))
    return [name for name in names if name not in FORM_NAMES]


def _heading(group: str, keys: list[str], schemas: dict[str, Schema]) -> str:
    option = schemas[group]["properties"].get("name", {}).get("const")
    return ", ".join(f"`{key}`" for key in keys) + (f" with `name: {option}`" if option else "")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _section(schema: Schema, anchors: dict[str, str]) -> str:
    rows = [["key", "type", "default", "meaning"], ["---"] * 4]
    for name, field in schema["properties"].items():
        if name == "name" and "const" in field:
            continue  # the heading says it
        default = "required" if name in schema.get("required", ()) else _default(field)
        meaning = " ".join(field.get("description", "").split())
        rows.append([f"`{name}`", _type(field, anchors), default, meaning])
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return f"{schema['description']}\n\n{table}" if len(rows) > 2 else schema["description"]


def _default(field: Schema) -> str:
    default = field["default"]
    if "oneOf" in field and isinstance(default, dict) and "name" in default:  # options, one of which needs no name
        return f"`{default['name']}`"
    plain = isinstance(default, str) and default
    return "" if "$ref" in field else f"`{default if plain else json.dumps(default)}`"


def _type(field: Schema, anchors: dict[str, str]) -> str:
    """A JSON schema's type in words; groups link to their section."""
    match field:
        case {"$ref": reference}:
            group = reference.rpartition("/")[2]
            return "[a form](#the-forms-of-a-search-space)" if group in FORM_NAMES else f"[group](#{anchors[group]})"
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"discriminator": {"mapping": options}}:
            return ", ".join(f"[`{name}`](#{anchors[ref.rpartition('/')[2]]})" for name, ref in options.items())
        case {"oneOf": options, "default": {"name": _}}:
            found = [anchors[option["$ref"].rpartition("/")[2]] for option in options]
            return ", ".join(f"[`{anchor.rpartition('-name-')[2]}`](#{anchor})" for anchor in found)
        case {"anyOf": options} | {"oneOf": options}:
            return " or ".join(dict.fromkeys(_type(option, anchors) for option in options))
        case {"prefixItems": items}:
            return f"[{', '.join(_type(item, anchors) for item in items)}]"
        case {"items": item}:
            return f"list of {_type(item, anchors)}"
        case {"additionalProperties": dict() as value}:
            return f"mapping to {_type(value, anchors)}"
        case {"patternProperties": values}:
            return f"mapping to {' or '.join(_type(value, anchors) for value in values.values())}"
    bounds = [f"{sign} {field[bound]:.15g}" for bound, sign in BOUNDS.items() if bound in field]
    bounds += [f"a multiple of {field['multipleOf']}"] if "multipleOf" in field else []
    kind: str = field["type"]
    return f"{WORDS.get(kind, kind)} {' and '.join(bounds)}".rstrip()


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
