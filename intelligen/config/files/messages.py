"""Wording of validation errors: what a value must be, what it is, how to fix it."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import JsonValue

from intelligen.config.document import nearest, one_of, shown
from intelligen.config.schema.setting_paths import alternatives, is_settings, named_options
from intelligen.config.schema.space_forms import FORMS

_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_SHAPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


def sentence(kind: str, context: Mapping[str, Any], value: JsonValue, annotation: Any) -> str:
    """What is wrong with a value.

    Args:
        kind: pydantic's error type.
        context: pydantic's error context.
        value: what was written.
        annotation: the type of the setting.

    """
    got = f", got {shown(value)}"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}{got}{_type_fix(kind, value, annotation)}"
    if kind in _BOUNDS:
        relation, name = _BOUNDS[kind]
        return f"must be {relation} {context[name]:.12g}{got}"
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return one_of(get_args(annotation), value)
        case "string_pattern_mismatch":  # names are the only text with a pattern
            return f"must be a name: at most 64 of A-Z a-z 0-9 . _ -, the first a letter or digit{got}"
        case "string_too_short" | "too_short":
            return f"must have at least {context['min_length']} entries{got}" if value else "must not be empty"
        case "too_long":
            return f"must have {context['max_length']} entries, got {context['actual_length']}"
        case "finite_number":
            return "must be a finite number"
    return f"is not valid ({kind.replace('_', ' ')}){got}"


def no_member(options: Mapping[str, Any], value: JsonValue) -> str:
    """What is wrong with a value that has the shape of none of a setting's alternatives."""
    words = [word for option in options.values() for word in _words(option)]
    literals = [choice for one in options.values() if get_origin(one) is Literal for choice in get_args(one)]
    hint = nearest(value, literals) if literals and isinstance(value, str) else ""
    near = f"; {hint}" if hint.endswith("?") else ""
    return f"must be {' or '.join(dict.fromkeys(words))}, got {shown(value)}{near}"


def _words(option: Any) -> list[str]:
    """What an alternative of a setting is called."""
    if get_origin(option) is Literal:
        return [shown(choice) for choice in get_args(option)]
    shape = dict if is_settings(option) else get_origin(option) or option
    return [_SHAPES.get(shape, str(shape))]


def _type_fix(kind: str, value: JsonValue, annotation: Any) -> str:
    if kind == "bool_type" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "; write true or false"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _is_number(value):
        return "; write it without quotation marks or underscores"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if _TYPES[kind] == "a mapping" and value in named_options(alternatives(annotation)):
        return f"; write {{name: {value}}}"
    if _TYPES[kind] == "a mapping" and value is None:
        return "; indent its settings below it, or write {}"
    if _TYPES[kind] == "a list" and isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        return "; a list's entries are numbered from 0, and this number is too large"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'; write "{str(value).lower()}"'
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def no_form(value: JsonValue, fix: str) -> str:
    """What is wrong with an entry of a search space without a form; `fix` is what to write, if that is known."""
    if isinstance(value, dict) and len(value) == 1:
        (form,) = value
        return f'"{form}" is not a form of a search space; {nearest(form, list(FORMS))}'
    return f"must be a mapping with one key of {', '.join(FORMS)}, got {shown(value)}{fix and f'; write {fix}'}"
