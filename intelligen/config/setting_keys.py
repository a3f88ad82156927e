"""Dotted keys of all settings, those of every option included; of a list or a mapping, what matches each entry."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

from intelligen.config.base import FORMER, Settings
from intelligen.config.schema.setting_paths import alternatives, is_settings, whole_annotation

NUMBER, NAME = "<number>", "<name>"
"""Parts of a key that mean any index of a list, and any name in a mapping."""
_PATTERNS = {NUMBER: "[0-9]+", NAME: r"[^.]+"}


def keys_of(settings: type[Settings], prefix: str = "") -> Iterator[str]:
    """Every key of the settings, groups included; some occur more than once, as keys of several options."""
    for name, field in settings.model_fields.items():
        if FORMER not in field.metadata:
            key = f"{prefix}{name}"
            yield key
            yield from _below(whole_annotation(field), key)


def one_of_keys(keys: Iterable[str]) -> list[dict[str, Any]]:
    """JSON schemas of a text that is one of the keys; it may match any of them."""
    distinct = list(dict.fromkeys(keys))
    plain = [key for key in distinct if "<" not in key]
    patterns = [f"^{_pattern(key)}$" for key in distinct if "<" in key]
    return [{"enum": plain}, *({"pattern": pattern} for pattern in patterns)]


def _below(annotation: Any, key: str) -> Iterator[str]:
    for option in alternatives(annotation).values():
        if is_settings(option):
            yield from keys_of(option, f"{key}.")
            continue
        match get_origin(option), get_args(option):
            case (origin, (_, value)) if origin is dict:
                yield f"{key}.{NAME}"
                yield from _below(value, f"{key}.{NAME}")
            case (origin, (item, *_)) if origin in (list, tuple):
                yield f"{key}.{NUMBER}"
                yield from _below(item, f"{key}.{NUMBER}")


def _pattern(key: str) -> str:
    return r"\.".join(_PATTERNS.get(part) or re.escape(part) for part in key.split("."))
