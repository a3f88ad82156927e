"""JSON output of commands: one document for programs, on standard output."""

import json
import math
import sys
from typing import Any

import click

from intelligen.reporting.terminal.console_output import is_utf8


def print_document(document: dict[str, Any]) -> None:
    """One JSON document on standard output; what is not finite is null."""
    click.echo(json.dumps(_finite(document), ensure_ascii=not is_utf8(sys.stdout), indent=1, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
