"""JSON schemas of experiment and sweep files, made from the settings' classes."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from intelligen.config.base import FORMER, Settings
from intelligen.config.files.includes import INCLUDE, MAX_FRAGMENTS
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.rows import LABEL
from intelligen.config.schema.setting_paths import (
    alternatives,
    chosen_option,
    is_settings,
    named_options,
    whole_annotation,
)
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.variable_settings import VARIABLE_GROUPS, VARIABLE_GROUPS_OF_TRAINING, may_vary
from intelligen.config.setting_keys import keys_of, one_of_keys

_SPACE = {"$ref": "#/$defs/Space"}
_VARYING_GROUPS = "|".join(dict.fromkeys((*VARIABLE_GROUPS, *VARIABLE_GROUPS_OF_TRAINING)))
_COMPLETE = rf"^({_VARYING_GROUPS})\."
_OTHER_KEYS: dict[str, Any] = {
    "patternProperties": {_COMPLETE: _SPACE},
    "additionalProperties": {"$ref": "#/$defs/Zip"},
    "propertyNames": {"$ref": "#/$defs/SpaceKey"},
}
"""Of a space, or of an option's own: complete keys of the experiment, and the names of zips."""

FILES: dict[str, type[Settings]] = {"sweep": Sweep, "experiment": Experiment}

_INCLUDE = {
    "description": "Files whose settings this file overrides; their paths are relative to this file.",
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "maxItems": MAX_FRAGMENTS,
}


def json_schema(kind: str) -> dict[str, Any]:
    """The schema (draft 2020-12) of one kind of file, `sweep` or `experiment`.

    It refuses what the loader refuses of keys, types, words and bounds, keys of a space's options and of rows included;
    rules between keys are the loader's alone. A file with an `include` may leave to its fragments what is required.
    """
    generated = FILES[kind].model_json_schema(schema_generator=_Generator)
    properties, required = generated.pop("properties"), generated.pop("required")
    complete: list[dict[str, Any]] = [{"required": required}]
    if kind == "sweep":
        searched = {"required": [*required, "space"], "properties": {"space": {"minProperties": 1}}}
        complete = [searched, {"required": [*required, "rows"]}]
        _describe_variants(generated["$defs"])
        generated["$defs"]["Space"] = properties["space"]["additionalProperties"]
        generated["$defs"]["SpaceKey"] = _space_key()
        properties["space"] |= {"properties": _offered_keys(), **_OTHER_KEYS}
    return {
        "$schema": _Generator.schema_dialect,
        **generated,
        "title": f"IntelliGEN {kind} file",
        "properties": {INCLUDE: _INCLUDE} | properties,
        "anyOf": [*complete, {"required": [INCLUDE]}],
    }


def schema_text(kind: str) -> str:
    """The same as schemas/ holds it."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Standard keywords only, and no title that repeats a key."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Never: a key is its own title."""
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Options that a `name` distinguishes need it, though each by itself has it by default."""
        union = super().tagged_union_schema(schema)
        union.pop("discriminator", None)  # OpenAPI's keyword
        if isinstance(tag := schema["discriminator"], str):
            union["oneOf"] = [option | {"required": [tag]} for option in union["oneOf"]]
        return union


def _describe_variants(definitions: dict[str, Any]) -> None:
    """A row may set any key of the experiment."""
    experiment = Experiment.model_json_schema(schema_generator=_Generator)
    definitions |= experiment["$defs"]
    groups = [key for key in experiment["properties"] if key not in ("name", "version", "seed")]
    known = {key: field for key, field in _dotted(experiment, definitions) if key.partition(".")[0] in groups}
    definitions["Variant"] = {
        "description": "Settings of the experiment by their dotted keys.",
        "type": "object",
        "properties": {LABEL: {"description": "What tables and figures call the row.", "type": "string"}, **known},
        "patternProperties": {rf"^({'|'.join(groups)})\.": {}},
        "propertyNames": {"anyOf": [{"const": LABEL}, *one_of_keys(keys_of(Experiment))]},
        "additionalProperties": False,
    }
    variant = {"$ref": "#/$defs/Variant"}
    axes = definitions["Axes"]["properties"]["of"]["patternProperties"].values()
    for named in (definitions["Variants"]["properties"]["of"], *axes):
        named["patternProperties"] = dict.fromkeys(named["patternProperties"], variant)


def _dotted(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → schema of all settings that no `name` chooses."""
    for name, field in schema.get("properties", {}).items():
        yield f"{prefix}{name}", field
        for one in (field, *field.get("anyOf", ())):
            if "$ref" in one:
                group = definitions[one["$ref"].rpartition("/")[2]]
                yield from _dotted(group, definitions, f"{prefix}{name}.")


def _space_key() -> dict[str, Any]:
    """What a key of a space may be: where it begins with a group of the experiment, one of its settings."""
    known = (key for key in keys_of(Experiment) if re.match(_COMPLETE, key))
    return {"anyOf": [{"not": {"pattern": _COMPLETE}}, *one_of_keys(known)]}


def _offered_keys() -> dict[str, Any]:
    """The keys that an editor offers in a search space."""
    return {
        key: _SPACE | _offer(field)
        for key, field in _fields(Experiment)
        if may_vary(key, trains=False) or may_vary(key, trains=True)
    }


def _offer(field: FieldInfo) -> dict[str, Any]:
    """What an editor says of a setting that varies; where it has options, their own keys below `choice`."""
    offer: dict[str, Any] = {"description": field.description} if field.description else {}
    options = alternatives(whole_annotation(field))
    if names := named_options(options):
        choice = {name: _offered_option(options[name]) for name in names}
        offer["properties"] = {"choice": {"properties": choice, "additionalProperties": False}}
    return offer


def _offered_option(option: type[Settings]) -> dict[str, Any]:
    described = {key: _offer(field) for key, field in _fields(option) if key != "name"}
    plain, *patterns = one_of_keys(key for key in keys_of(option) if key != "name")
    others = _OTHER_KEYS["patternProperties"] | {one["pattern"]: _SPACE for one in patterns}
    keys = described | {key: {} for key in plain["enum"] if key not in described}
    return {"description": option.__doc__, "properties": keys, **_OTHER_KEYS, "patternProperties": others}


def _fields(settings: type[Settings], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Dotted key → field of every setting, groups and what is below them included, but nothing below options."""
    for name, field in settings.model_fields.items():
        if FORMER in field.metadata:
            continue
        key = f"{prefix}{name}"
        yield key, field
        if is_settings(group := chosen_option(whole_annotation(field), {})):
            yield from _fields(group, f"{key}.")
