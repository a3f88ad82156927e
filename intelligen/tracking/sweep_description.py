"""Description of a sweep's MLflow run: its state, its trials, the best of each row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.verdicts import kept_answer
from intelligen.config.metric_direction import improves
from intelligen.state.redaction import redact_text
from intelligen.state.trial_records import Closing, SweepStatus, TrialRecord, TrialState
from intelligen.tracking.mlflow_mapping import MAX_TAG, Ending

_SWEEP_STATUS = {
    SweepStatus.COMPLETE: "FINISHED",
    SweepStatus.PAUSED: "FINISHED",
    SweepStatus.INTERRUPTED: "KILLED",
    SweepStatus.FAILED: "FAILED",
}


def sweep_ending(closing: Closing | None) -> Ending:
    """How the sweep's own run ends."""
    if closing is None:
        return Ending("RUNNING", "running", None, None)
    return Ending(_SWEEP_STATUS[closing.status], str(closing.status), str(closing.status), closing.time_ms)


def sweep_note(
    fingerprint: Mapping[str, Any],
    trials: Iterable[TrialRecord],
    values: Mapping[str, float],
    closing: Closing | None,
    *,
    comparison: str | None = None,
) -> str:
    """Markdown for the head of the sweep's run: the question, its state, the best of each row.

    Args:
        fingerprint: Of the ledger.
        trials: All of them.
        values: The objective of each trial that counts: of the weights that would be tested, or of its best epoch.
        closing: How the last launch ended, if it did.
        comparison: The path of the prepared comparison in MLflow's interface, where it is there.

    """
    trials = list(trials)
    metric: str = fingerprint["sweep"]["objective"]["metric"]
    lines = [
        fingerprint["sweep"]["question"],
        f"{_counts(trials)} **Sweep:** {closing.status if closing else 'running'}.",
        # Without its slash, so that it also holds where a server has MLflow below a path.
        "" if comparison is None else f"[All trials, prepared for comparison]({comparison.removeprefix('/')})",
    ]
    if answer := kept_answer(closing):
        lines.append(f"**Answer:** {answer}")
    if closing is not None and "table_markdown" in closing.summary:
        lines.append(str(closing.summary["table_markdown"]))
    else:
        lines.append(_best_table(trials, values, metric, ComparedRows.recorded(fingerprint)))
    return redact_text("\n\n".join(line for line in lines if line))[:MAX_TAG]


def _counts(trials: Sequence[TrialRecord]) -> str:
    """As `status` counts: trials are those of the search."""
    kinds = {
        "trial": "Trials",
        "baseline": "Baselines",
        "start": "Runs that rows start from",
        "confirm": "Trained again with other seeds",
    }
    counted = {kind: _counted(record for record in trials if record.kind == kind) for kind in kinds}
    return " ".join(
        f"**{title}:** {counted[kind] or 'none yet'}."
        for kind, title in kinds.items()
        if counted[kind] or kind == "trial"
    )


def _best_table(trials: Sequence[TrialRecord], values: Mapping[str, float], metric: str, compared: ComparedRows) -> str:
    leaders: dict[str, TrialRecord] = {}
    # The baseline is a row of its own: it is what the strategies start from.
    for record in (one for one in trials if one.id in values and one.kind in ("trial", "baseline")):
        row = record.row if record.kind == "trial" else "(baseline)"
        leader = leaders.setdefault(row, record)
        if improves(metric, values[record.id], than=values[leader.id]):
            leaders[row] = record
    if not leaders:
        return ""
    rows = [f"| {compared.label(row)} | {values[leader.id]:.4g} | {leader.id} |" for row, leader in leaders.items()]
    return "\n".join([f"| {compared.heading} | best {metric} | trial |", "|---|---|---|", *rows])


def _counted(records: Iterable[TrialRecord]) -> str:
    states = Counter(record.state for record in records)
    return ", ".join(f"{states[state]} {state}" for state in TrialState if states[state])
