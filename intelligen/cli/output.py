"""What commands print: lines and tables for people, one JSON document for programs."""

import json
import math
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

LOG_WIDTH = 160  # columns of a table in a pipe, where nobody says how wide it may be
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_document(document: dict[str, Any]) -> None:
    """One JSON document on standard output; what is not finite is null."""
    click.echo(json.dumps(_finite(document), ensure_ascii=False, indent=1, allow_nan=False))


def people_console(*, stderr: bool = False) -> "Console":
    """Where people read: wide enough in a pipe."""
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    return console


def printable(line: str) -> str:
    """A line whose control characters cannot reach the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
