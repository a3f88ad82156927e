"""Fields of JSON records: a name with a dot is a key if there is one, else a path into nested objects."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from intelligen.data.text_lines import require_text
from intelligen.errors import DataError

_SHOWN = 20


@dataclass(frozen=True)
class RecordField:
    """Where a record has what a column of the task is to be."""

    name: str
    """The corpus' own."""
    column: str
    """The task's."""
    label: bool = False
    """A label may be a number."""

    @property
    def setting(self) -> str:
        """The key that names it, below its table or data set."""
        return f"{self.column}_field" if self.column in ("source", "target") else f"fields.{self.column}"


def text_of(record: Mapping[str, object], field: RecordField, where: str) -> str:
    """The text at a field of a record: `translation.en` is the key of that name, else `en` of `translation`.

    Raises:
        DataError: there is no such field, or no text at it; a label may also be a finite number, true or false.

    """
    group, rest = record, field.name
    while True:
        key = first_key(rest, group)
        if key not in group:
            raise DataError(f"{where}: no field `{key}`{nearest_of(key, _fields(group))}")
        value, rest = group[key], rest[len(key) + 1 :]
        if not rest:
            break
        if not isinstance(value, dict):
            raise DataError(f"{where}:{field.name}: `{key}` must be an object, got {_shown(value)}")
        group = value
    if field.label and (label := _label(value)) is not None:
        return label
    if not isinstance(value, str):
        raise DataError(f"{where}:{field.name}: must be text{' or a number' * field.label}, got {_shown(value)}")
    require_text(value, f"{where}:{field.name}")
    return value


def first_key(field: str, keys: Collection[str]) -> str:
    """The key at which a dotted field begins: all of it where there is such a key, else the part before its dot."""
    return field if field in keys else field.partition(".")[0]


def nearest_of(field: str, known: Collection[str]) -> str:
    """The fields there are, for a message, the first of many, and the one that was probably meant."""
    nearest = get_close_matches(field, known, n=1)
    guess = f"; did you mean `{nearest[0]}`?" if nearest else ""
    more = f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else ""
    return f" (there are {', '.join(islice(known, _SHOWN)) or 'none'}{more}){guess}"


def _label(value: object) -> str | None:
    """The text of a number, which JSON may write in several ways: 1 and 1.0 are one class; none of other values."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value)) if value.is_integer() else repr(value)
    return None


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
