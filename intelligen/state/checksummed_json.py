"""JSON objects with a checksum as their last field: no changed byte is taken for what was written.

Files that a version without checksums wrote are read as they are.
"""

import json
import re
import zlib
from typing import Any

_SEAL = re.compile(r', "crc": "([0-9a-f]{8})"\}\s*\Z')


def seal(text: str) -> str:
    """An object's JSON text, of one line or several, with the CRC-32 of the text before it as the field `crc`."""
    body = text.rstrip().removesuffix("}").rstrip()
    return f'{body}, "crc": "{_checksum(body)}"}}'


def unseal(text: str) -> dict[str, Any]:
    """The object without its checksum.

    Raises:
        TypeError, ValueError: It is no JSON object, or its checksum says that it is not what was written.

    """
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise TypeError(f"no object, but {type(fields).__name__}")
    if fields.pop("crc", None) is not None:
        sealed = _SEAL.search(text)
        if sealed is None or sealed[1] != _checksum(text[: sealed.start()]):
            raise ValueError("its checksum does not match")
    return fields


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode(errors='surrogatepass')):08x}"
