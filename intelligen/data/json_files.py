"""JSON files as a whole: every value knows its path there, which messages name."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from intelligen.data.json_fields import nearest_of
from intelligen.data.text_lines import read_lines, require_text
from intelligen.errors import DataError


@dataclass(frozen=True)
class JsonValue:
    """A value of a JSON file."""

    value: object
    file: str
    """For messages."""
    path: str = ""
    """From the file's outermost value to it: `data[3].paragraphs`; empty for that one."""

    @property
    def place(self) -> str:
        """`file:path`."""
        return f"{self.file}:{self.path}" if self.path else self.file

    def field(self, name: str) -> "JsonValue":
        """The value of a key.

        Raises:
            DataError: there is no such key, or this is no object.

        """
        found = self.get(name)
        if found is None:
            keys = self.value if isinstance(self.value, dict) else ()
            raise DataError(f"{self.place}: no field `{name}`{nearest_of(name, [*keys])}")
        return found

    def get(self, name: str) -> "JsonValue | None":
        """The value of a key, if there is one.

        Raises:
            DataError: this is no object.

        """
        if not isinstance(self.value, dict):
            raise DataError(f"{self.place}: must be an object, got {_kind(self.value)}")
        path = f"{self.path}.{name}" if self.path else name
        return JsonValue(self.value[name], self.file, path) if name in self.value else None

    def items(self) -> Iterator["JsonValue"]:
        """The values of a list.

        Raises:
            DataError: this is none.

        """
        if not isinstance(self.value, list):
            raise DataError(f"{self.place}: must be a list, got {_kind(self.value)}")
        for index, value in enumerate(self.value):
            yield JsonValue(value, self.file, f"{self.path}[{index}]")

    def text(self) -> str:
        """The value, a text.

        Raises:
            DataError: it is none, or holds what no text may.

        """
        if not isinstance(self.value, str):
            raise DataError(f"{self.place}: must be text, got {_kind(self.value)}")
        require_text(self.value, self.place)
        return self.value


def read_json(path: Path, notes: Counter[str]) -> JsonValue:
    """The outermost value of a UTF-8 file, plain or `.gz`.

    Raises:
        DataError: see `read_lines`; it is not JSON (file:line:column).
        StorageError: the file cannot be read.

    """
    try:
        return JsonValue(json.loads("\n".join(read_lines(path, notes))), str(path))
    except RecursionError:
        raise DataError(f"{path}: nested too deeply to be read as JSON") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
