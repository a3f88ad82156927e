"""Scores of a model on a test set, in lines and as a document."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intelligen.training.trained_model import SplitScore


def score_lines(found: "SplitScore", directory: Path) -> Iterator[str]:
    """The scores with their signatures, and what was odd in the test set."""
    metrics, signatures, task = found.evaluation.metrics, found.evaluation.signatures, found.task
    odd = ", ".join(f"{count:,} {note.replace('_', ' ')}" for note, count in found.report.notes.items())
    how = "" if found.search is None else f"{found.search.name} search, "
    yield f"{directory}: {found.split}, {how}{found.report.kept:,} rows" + (f"; noted: {odd}" if odd else "")
    for metric in task.reported:
        one = found.intervals[metric.name]
        bounds = f"[{one.low:{metric.format}}, {one.high:{metric.format}}]"
        signature = signatures.get(f"{metric.name}_signature", "")
        yield f"{metric.label} {metric.text(one.value)} {bounds}  {signature}".rstrip()
    for name, shown in task.labels.items():
        if name in metrics and name not in found.intervals:
            yield f"{shown} {metrics[name]:.2f}  {signatures.get(f'{name}_signature', '')}".rstrip()
    yield from task.summary(metrics)
    yield f"hypotheses {found.path}"


def score_document(found: "SplitScore") -> dict[str, Any]:
    """As JSON; the keys are documented in docs/commands.md."""
    return {
        "name": found.split,
        "files": found.files,
        "pairs": found.report.kept,
        "notes": found.report.notes,
        "search": None if found.search is None else found.search.model_dump(),
        **{metric: vars(one) for metric, one in found.intervals.items()},
        "metrics": dict(found.evaluation.metrics),
        "signatures": dict(found.evaluation.signatures),
        "hypotheses": str(found.path),
    }
