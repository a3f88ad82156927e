"""Table of answers that were found in several ways, for people and as a document."""

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

if TYPE_CHECKING:
    from intelligen.training.trained_model import SplitScore

_OF_TOKENS = {"token_accuracy": "token accuracy", "loss": "loss (nats/token)"}
"""Scores that come before the task's metrics."""
_LONGEST = 60
"""Characters of a sample's text."""


def answer_table(found: "SplitScore") -> Iterator[str]:
    """The scores, a row each, then the answers to the first questions; nothing where there are no columns."""
    if not found.columns:
        return
    labels = _OF_TOKENS | found.task.labels
    scores = [name for name in labels if any(name in column.scores for column in found.columns)]
    yield from _aligned(
        [
            ["", *(column.title for column in found.columns)],
            ["", *(f"({column.note})" for column in found.columns)],
            *(
                [labels[name], *(_number(found, name, column.scores.get(name)) for column in found.columns)]
                for name in scores
            ),
        ]
    )
    for row, (question, reference) in enumerate(found.samples):
        yield f"question   {_short(question)}"
        yield f"reference  {_short(reference)}"
        yield from (f"  {column.title}: {_short(column.answers[row])}" for column in found.columns)


def answer_document(found: "SplitScore") -> dict[str, Any]:
    """As JSON; the keys are documented in docs/commands.md."""
    if not found.columns:
        return {}
    return {
        "columns": {column.name: {"what": column.note, **column.scores} for column in found.columns},
        "samples": [
            {"question": question, "reference": reference}
            | {column.name: column.answers[row] for column in found.columns}
            for row, (question, reference) in enumerate(found.samples)
        ],
    }


def _number(found: "SplitScore", name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if name in _OF_TOKENS else f"{value:{found.task.form(name)}}"


def _short(text: str) -> str:
    return shorten(text, _LONGEST, placeholder=" …") or "(nothing)"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
