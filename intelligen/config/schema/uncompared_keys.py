"""Keys of recorded settings that are for people, found by type: nothing is compared by them."""

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from intelligen.config.base import UNCOMPARED
from intelligen.config.document import Key
from intelligen.config.schema.local_keys import fitting_options
from intelligen.config.schema.setting_paths import alternatives, child, is_settings


def uncompared_keys(settings: Any, data: JsonValue, key: Key = ()) -> Iterator[Key]:
    """The keys in a record of settings that are marked so.

    Args:
        settings: Their type.
        data: What was recorded.
        key: Where it is.

    """
    if not isinstance(data, dict):
        return
    for option in fitting_options(alternatives(settings), data):
        for part, inner in data.items():
            field = option.model_fields.get(part) if is_settings(option) else None
            if field is not None and UNCOMPARED in field.metadata:
                yield (*key, part)
            elif (below := child(option, part)) is not None:
                yield from uncompared_keys(below, inner, (*key, part))
