"""Fields of JSON records: a name with a dot is a key if there is one, else a path into nested objects."""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from intelligen.data.text_lines import require_text
from intelligen.errors import DataError


def text_of(record: Mapping[str, object], field: str, where: str) -> str:
    """The text at a field of a record: `translation.en` is the key of that name, else `en` of `translation`.

    Raises:
        DataError: there is no such field, or no text at it.

    """
    group, rest = record, field
    while True:
        key = first_key(rest, group)
        if key not in group:
            raise DataError(f"{where}: no field `{key}`{nearest_of(key, _fields(group))}")
        value, rest = group[key], rest[len(key) + 1 :]
        if not rest:
            break
        if not isinstance(value, dict):
            raise DataError(f"{where}:{field}: `{key}` must be an object, got {_shown(value)}")
        group = value
    if not isinstance(value, str):
        raise DataError(f"{where}:{field}: must be text, got {_shown(value)}")
    require_text(value, f"{where}:{field}")
    return value


def first_key(field: str, keys: Collection[str]) -> str:
    """The key at which a dotted field begins: all of it where there is such a key, else the part before its dot."""
    return field if field in keys else field.partition(".")[0]


def nearest_of(field: str, known: Collection[str]) -> str:
    """The fields there are, for a message, and the one that was probably meant."""
    nearest = get_close_matches(field, known, n=1)
    guess = f"; did you mean `{nearest[0]}`?" if nearest else ""
    return f" (there are {', '.join(known) or 'none'}){guess}"


def _fields(record: Mapping[str, object]) -> list[str]:
    """What names a value of a record: its keys, dotted where an object is at them."""
    return [
        name
        for key, value in record.items()
        for name in ([f"{key}.{inner}" for inner in value] if isinstance(value, dict) and value else [key])
    ]


def _shown(value: object) -> str:
    if isinstance(value, list | dict):  # however large, however deep
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(value, default=str)[:40]
