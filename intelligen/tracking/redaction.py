"""No secret leaves the machine: values under secret names, and the user part of addresses, are blotted out."""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

# `hf_token` is a secret, `batch_tokens` and `tokenizer` are not.
_SECRET_NAME = re.compile(r"secret|password|api[_-]?key|token(?![a-z])", re.IGNORECASE)
_USER_IN_URI = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)


def redact_text(text: str) -> str:
    """`text` with the user part of every address in it blotted out."""
    return _USER_IN_URI.sub(rf"\g<scheme>{REDACTED}@", text)


def redact(value: Any, name: str = "") -> Any:
    """JSON `value`, found under `name`, without its secrets."""
    if _SECRET_NAME.search(name) and value is not None:
        return REDACTED
    if isinstance(value, Mapping):
        return {key: redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value
