"""Base class of all settings: frozen, complete, strict; canonical JSON and content hashes of them."""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

# Names become directory names, so they can neither climb out of their root nor hide in it.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


ADDED = "added after the first release"
"""Marks a key that earlier files and directories do not know: `key: Annotated[int, ADDED] = 3`.

While it has its default it is left out of whatever settings are hashed or compared by, so that a new key neither trains
a baseline again nor keeps a sweep from resuming.
"""

FORMER = "of earlier versions"
"""Marks a key that only has another value than its default in what earlier versions stored.

It is read, hashed and compared as ever, but is in no schema; files that give it another value are refused.
"""

UNCOMPARED = "for people"
"""Marks a key that is never part of what settings are hashed or compared by."""

_FOR_COMPARISON = {"for": "comparison"}
_FOR_RECORD = {"for": "record"}


class Settings(BaseModel):
    """Base of every group of settings. A field's docstring is its documentation and its schema's description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    either: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of keys of which exactly one has a value: (the one with a default, the one that may take its place)."""

    @classmethod
    def instead_of(cls, key: str) -> str | None:
        """The key that has no value where this one has; none where the key is of no pair."""
        return next((b if key == a else a for a, b in cls.either if key in (a, b)), None)

    @model_validator(mode="after")
    def _one_of_each_pair(self) -> Self:
        for usual, other in self.either:
            if getattr(self, other) is not None and usual not in self.model_fields_set:
                vars(self)[usual] = None  # its default is for where neither is given
            given = [key for key in (usual, other) if getattr(self, key) is not None]
            if not given:
                raise ValueError(f"{usual} or {other} must have a value; add one of them")
            if len(given) > 1:
                raise ValueError(f"{usual} and {other} exclude each other; leave one of them out")
        return self

    @model_serializer(mode="wrap")
    def _serialized(self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        data: dict[str, Any] = serialize(self)
        if info.context in (_FOR_COMPARISON, _FOR_RECORD):
            for name, field in type(self).model_fields.items():
                added = ADDED in field.metadata and getattr(self, name) == field.default
                if added or (UNCOMPARED in field.metadata and info.context == _FOR_COMPARISON):
                    data.pop(name, None)
        return data


def comparable(settings: Settings, *, exclude: set[str] | None = None) -> dict[str, Any]:
    """The settings by which hashes and comparisons go, as JSON values: without the `ADDED` keys at their defaults."""
    return settings.model_dump(mode="json", exclude=exclude, context=_FOR_COMPARISON)


def recorded(settings: Settings) -> dict[str, Any]:
    """As a ledger keeps settings: what `comparable` has, and the `UNCOMPARED` keys."""
    return settings.model_dump(mode="json", context=_FOR_RECORD)


def canonical_json(settings: Settings) -> str:
    """The one spelling of settings that hashes and comparisons use."""
    return json.dumps(comparable(settings), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def content_hash(*parts: str) -> str:
    """Sixteen hexadecimal digits (64 bits) of the SHA-256 of the parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()[:16]
