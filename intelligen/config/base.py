"""Settings are frozen, complete and strict: unknown keys, wrong types, NaN and infinity are refused."""

import hashlib
import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# Names become directory names, so they can neither climb out of their root nor hide in it.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class Settings(BaseModel):
    """Base of every group of settings. A field's docstring is its documentation and its schema's description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def canonical_json(settings: Settings) -> str:
    """The one spelling of settings that hashes and comparisons use."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def content_hash(*parts: str) -> str:
    """Sixteen hexadecimal digits (64 bits) of the SHA-256 of the parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()[:16]
