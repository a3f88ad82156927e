"""Parsed files whose every value knows its line; problems are lines that name file, line and key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import JsonValue

from intelligen.errors import ConfigError

Key = tuple[str | int, ...]

_NEARLY = 0.85
"""Ratio of `get_close_matches` from which on a word is rather misspelt than shortened."""
_SHORTENED = 3
"""Letters of a word from which on it may be a shortened name."""
_GUESSES = 3


@dataclass(frozen=True)
class Document:
    """The contents of a file, with or without overrides."""

    data: dict[str, JsonValue]
    """The root mapping."""
    origins: dict[Key, str]
    """Key → where it was written: `FILE:LINE`, or `-o KEY=VALUE`. The root's key is ()."""
    problems: dict[Key, str] = field(default_factory=dict)
    """Key → the line that refuses its value, as long as no other value replaces it."""

    def origin(self, key: Key) -> str:
        """Where the key was written, or else its nearest enclosing group; empty where data came from no file."""
        return next((self.origins[key[:n]] for n in range(len(key), -1, -1) if key[:n] in self.origins), "")


def dotted(key: Key) -> str:
    """`("a", "b", 0)` → `a.b[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"model": {"heads": 8}}` → `{"model.heads": 8}`; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def shown(value: JsonValue) -> str:
    """A value as a message names it: text in quotation marks, nothing longer than a glance."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list():
            return "a list" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}…"


def nearest(word: object, known: Sequence[str]) -> str:
    """The fix for a misspelt or shortened word: `did you mean "x"?`, or what is known where nothing resembles it."""
    same = [name for name in known if name.casefold() == str(word).casefold()]
    nearly = get_close_matches(str(word), known, n=1, cutoff=_NEARLY)
    meant = same or nearly or _completed(str(word), known) or get_close_matches(str(word), known, n=1)
    return f"did you mean {' or '.join(map(shown, meant))}?" if meant else f"known here: {', '.join(known)}"


def _completed(word: str, known: Sequence[str]) -> list[str]:
    """The names that begin with the word or else have it between underscores; none where it may be any of many."""
    if len(word) < _SHORTENED:
        return []
    found = [name for name in known if name.startswith(word)] or [name for name in known if word in name.split("_")]
    return found if len(found) <= _GUESSES else []


def problem_line(origin: str, key: str, what: str) -> str:
    """`FILE:LINE: KEY: WHAT` as one printable line; empty parts are left out."""
    line = ": ".join(part for part in (origin, key, what) if part)
    # Control characters and undecodable bytes of file names must neither break the line nor the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


def raise_problems(lines: Sequence[str]) -> None:
    """One error for all problems found, one line each; nothing happens where there are none.

    Raises:
        ConfigError: there is at least one problem.

    """
    if distinct := dict.fromkeys(lines):
        raise ConfigError(*distinct)


def one_of(choices: Sequence[JsonValue], value: JsonValue, *, meant: str | None = None) -> str:
    """`must be one of "a", "b", got "c"`, with the choice that is `meant`, or the nearest where one resembles it."""
    must = "must be one of" if len(choices) > 1 else "must be"
    names = [choice for choice in choices if isinstance(choice, str)]
    hint = f"did you mean {shown(meant)}?" if meant in names else nearest(value, names)
    return f"{must} {', '.join(map(shown, choices))}, got {shown(value)}" + (f"; {hint}" if hint.endswith("?") else "")
