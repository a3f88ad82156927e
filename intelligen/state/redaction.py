"""Redaction of secrets: values under secret names, users in addresses, secrets of the environment."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"

# `hf_token` is a secret, `batch_tokens` and `tokenizer` are not.
_WORDS = r"secret|password|api[_-]?key|token(?![a-z])"
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# `API_KEY=…`, `"password": "…"`, `token: …` alone on its line: neither a comparison nor `token: not known here`.
_PLAIN = r"[^\s\"',;)\]}]+"
_VALUE = rf"\[redacted\]|\"[^\"\n]+\"|'[^'\n]+'|(?<!:)(?<!: ){_PLAIN}|{_PLAIN}(?=[ \t]*(?:[,}}\]#]|$))"
_ASSIGNED = re.compile(
    rf"(?P<name>(?:{_WORDS})[\w.-]{{0,40}}[\"']?[ \t]*(?:=(?!=)|:)[ \t]*)(?:{_VALUE})", re.IGNORECASE | re.MULTILINE
)
_USER_IN_URI = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
# Where a secret lies is none.
_NAME_OF_A_PLACE = re.compile(r"_(?:path|file|dir)$", re.IGNORECASE)
# Shorter values are words that occur anywhere, such as `none`.
_SHORTEST_SECRET = 8


def redact_text(text: str) -> str:
    """`text` without the user part of addresses, what is assigned to secret names, and the environment's secrets."""
    return _clean(text, _environment_secrets())


def redact(value: Any, name: str = "") -> Any:
    """JSON `value`, found under `name`, without its secrets."""
    return _redact(value, name, _environment_secrets())


def _redact(value: Any, name: str, known: Iterable[str]) -> Any:
    # Neither a flag nor a measure is a secret.
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool | float):
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _redact(inner, str(key), known) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(inner, "", known) for inner in value]
    return _clean(value, known) if isinstance(value, str) else value


def _clean(text: str, known: Iterable[str]) -> str:
    for secret in known:
        text = text.replace(secret, REDACTED)
    return _ASSIGNED.sub(rf"\g<name>{REDACTED}", _USER_IN_URI.sub(rf"\g<scheme>{REDACTED}@", text))


def _environment_secrets() -> list[str]:
    """Values of secretly named variables, the longest first: one may be part of another."""
    values = {
        value for name, value in os.environ.items() if _SECRET_NAME.search(name) and not _NAME_OF_A_PLACE.search(name)
    }
    return sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
