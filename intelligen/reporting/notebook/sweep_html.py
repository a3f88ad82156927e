"""A checked sweep as a notebook shows it: what it compares, searches and spends."""

import json
from typing import Any

from intelligen.analysis.html_blocks import html_table
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.state.redaction import redact

_PARTS = ("rows", "space", "objective", "search", "scheduler", "budget", "confirm", "test", "resources", "baseline")


def sweep_html(sweep: Sweep, experiment: Experiment) -> str:
    """One table: name, question, experiment, then what its file sets, a line for each key."""
    facts: list[tuple[str, object]] = [("question", sweep.question)] if sweep.question else []
    facts.append(("experiment", experiment.name))
    given: dict[str, Any] = redact(sweep.model_dump(mode="json", exclude_unset=True))
    facts += [(part, _lines(given[part])) for part in _PARTS if given.get(part)]
    return html_table(["sweep", sweep.name], facts)


def _lines(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return "\n".join(f"{key}: {_flow(inner)}" for key, inner in value.items())


def _flow(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
