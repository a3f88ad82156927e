"""What a model scores on a test set: in lines for people, and as a document."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intelligen.training.testing import SplitScore

_FURTHER_SCORES = {"chrf": "chrF", "ter": "TER", "moses_bleu": "Moses BLEU"}


def score_lines(found: "SplitScore", directory: Path) -> Iterator[str]:
    """The scores with their signatures, and what was odd in the test set."""
    metrics, signatures, bleu = found.evaluation.metrics, found.evaluation.signatures, found.bleu
    odd = ", ".join(f"{count:,} {note.replace('_', ' ')}" for note, count in found.report.notes.items())
    yield f"{directory}: {found.split}, {found.search.name} search, {found.report.kept:,} pairs" + (
        f"; noted: {odd}" if odd else ""
    )
    yield f"BLEU {bleu.value:.2f} [{bleu.low:.2f}, {bleu.high:.2f}]  {signatures['bleu_signature']}"
    for metric, shown in _FURTHER_SCORES.items():
        if metric in metrics:
            yield f"{shown} {metrics[metric]:.2f}  {signatures[f'{metric}_signature']}"
    yield (
        f"loss {metrics['loss']:.4f} nats/token  length ratio {metrics['length_ratio']:.3f}"
        f"  unfinished {metrics['unfinished_pct']:.1f} %"
    )
    yield (
        f"token accuracy {metrics['teacher_forced_accuracy']:.3f} teacher-forced,"
        f" {metrics['free_running_accuracy']:.3f} free-running"
    )
    yield f"hypotheses {found.path}"


def score_document(found: "SplitScore") -> dict[str, Any]:
    """As JSON; the keys are documented in docs/commands.md."""
    return {
        "name": found.split,
        "files": found.files,
        "pairs": found.report.kept,
        "notes": found.report.notes,
        "search": found.search.model_dump(),
        "bleu": vars(found.bleu),
        "metrics": dict(found.evaluation.metrics),
        "signatures": dict(found.evaluation.signatures),
        "hypotheses": str(found.path),
    }
