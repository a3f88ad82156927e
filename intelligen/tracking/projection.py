"""What MLflow should show of a trial or a sweep, as plain values: MLflow's limits are kept here and nowhere else."""

import json
import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intelligen.tracking.records import Closing, SweepStatus, Takeover, TrialRecord, TrialState
from intelligen.tracking.redaction import redact, redact_text
from intelligen.training.history import Report

SAMPLES_FILE = "samples.json"

_MAX_KEY = 250
_MAX_PARAM = 6000
_MAX_TAG = 8000
_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}
_SWEEP_STATUS = {
    SweepStatus.COMPLETE: "FINISHED",
    SweepStatus.PAUSED: "KILLED",
    SweepStatus.INTERRUPTED: "KILLED",
    SweepStatus.FAILED: "FAILED",
}


@dataclass(frozen=True)
class Best:
    """The best epoch of a trial by the sweep's objective."""

    value: float
    epoch: int


def mlflow_key(name: str) -> str:
    """`name` in the characters, the length and the path form that MLflow allows."""
    allowed = re.sub(r"[^\w/.\- :]", "_", name)
    return posixpath.normpath(allowed.strip("/").replace("..", "_"))[:_MAX_KEY]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"model": {"heads": 8}}` → `{"model.heads": 8}`; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def trial_params(record: TrialRecord) -> dict[str, str]:
    """The resolved settings, and the suggestion under its own names."""
    params = flatten(redact(record.config)) | redact(record.params)
    return {mlflow_key(name): _text(value)[:_MAX_PARAM] for name, value in params.items()}


def trial_identity(record: TrialRecord, *, sweep_id: str) -> dict[str, str]:
    """The tags by which a trial's run is found again."""
    return {"sweep_id": sweep_id, "trial_id": record.id, "kind": record.kind}


def trial_tags(record: TrialRecord, reports: Sequence[Report], *, stop_reason: str | None) -> dict[str, str]:
    """What the run of a trial is filtered by, and its description."""
    tags: dict[str, Any] = {"strategy": record.strategy, "seed": record.seed, "attempts": record.attempts}
    for report in reports:
        tags |= report.tags
        bad = {name: value for name, value in report.metrics.items() if not math.isfinite(value)}
        tags |= {f"nonfinite/{name}": f"{value} at epoch {report.epoch}" for name, value in bad.items()}
    if stop_reason is not None:
        tags["stop_reason"] = stop_reason
    if record.confirms is not None:
        tags["confirms"] = record.confirms
    if record.takeovers:
        tags["takeovers"] = "; ".join(_told(takeover) for takeover in record.takeovers)
    if reports:
        tags["mlflow.note.content"] = samples_note(reports[-1])
    return as_tags(tags)


def source_tags(header: Mapping[str, Any]) -> dict[str, str]:
    """Which code made the run, under our name and under those that MLflow's interface shows."""
    commit = header.get("git_commit")
    return as_tags({"git_commit": commit, "mlflow.source.git.commit": commit, "mlflow.source.name": "intelligen"})


def as_tags(values: Mapping[str, Any]) -> dict[str, str]:
    """What is known of `values`, without secrets, as MLflow takes tags."""
    known = {name: value for name, value in redact(values).items() if value is not None}
    return {mlflow_key(name): _text(value)[:_MAX_TAG] for name, value in known.items()}


def report_metrics(record: TrialRecord, report: Report) -> dict[str, float]:
    """Everything finite that a report measured. `progress/epoch` says that the epoch stands in MLflow.

    Of a trial in a population also what it trained with: `pbt/finetuning.optimizer.learning_rate`.
    """
    progress = {
        "progress/update": report.update,
        "progress/target_tokens": report.target_tokens,
        "progress/epoch": report.epoch,
    }
    values = record.params_in(report.epoch) if record.turn_epochs else {}
    return finite(report.metrics) | finite({f"pbt/{name}": value for name, value in values.items()}) | progress


def told_reports(record: TrialRecord, reports: list[Report]) -> list[Report]:
    """The reports of which it is known what the trial trained with.

    A history is read after the ledger, and the newest epoch may follow a decision that the ledger did not hold yet.
    """
    if not record.turn_epochs:
        return reports
    return [report for report in reports if report.epoch <= record.next_turn_epoch]


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among `values` that MLflow can store: it turns infinity into 1.8e308."""
    return {
        mlflow_key(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def samples_table(report: Report) -> dict[str, Any]:
    """Sample translations in the form of MLflow's `log_table`, which its interface shows as a table."""
    return {
        "columns": ["epoch", "source", "hypothesis", "reference"],
        "data": [[report.epoch, sample.source, sample.hypothesis, sample.reference] for sample in report.samples],
    }


def samples_tags(report: Report) -> dict[str, str]:
    """They say of which report the samples' file is, and MLflow's interface that it is a table."""
    shown = [{"path": SAMPLES_FILE, "type": "table"}]
    return {"samples_epoch": str(report.epoch), "mlflow.loggedArtifacts": json.dumps(shown)}


def samples_note(report: Report) -> str:
    """The newest sample translations as Markdown, as many as MLflow's bound allows."""
    note = f"Epoch {report.epoch}, update {report.update:,}, {report.target_tokens:,} target tokens."
    rows = [
        f"| {' | '.join(one_line(text) for text in (sample.source, sample.hypothesis, sample.reference))} |"
        for sample in report.samples
    ]
    for line in ["", "| source | hypothesis | reference |", "|---|---|---|", *rows] if rows else []:
        if len(note) + len(line) < _MAX_TAG:
            note += f"\n{line}"
    return note


def one_line(text: str) -> str:
    """`text` as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def trial_ending(record: TrialRecord, closing: Closing | None) -> tuple[str, str | None, int | None]:
    """MLflow's status, the reason and the end in milliseconds. No trial outlives its sweep."""
    if record.state is TrialState.RUNNING and closing is not None:
        return "KILLED", str(closing.status), max(closing.time_ms, record.started_ms)
    return _STATUS[record.state], record.stop_reason, record.ended_ms


def sweep_ending(closing: Closing | None) -> tuple[str, int | None]:
    """MLflow's status of the sweep's run and its end in milliseconds."""
    return ("RUNNING", None) if closing is None else (_SWEEP_STATUS[closing.status], closing.time_ms)


def best_report(reports: Iterable[Report], objective: Mapping[str, str]) -> Best | None:
    """The best of the reports that have a finite value of the objective; the earliest of equals."""
    values = [Best(report.metrics.get(objective["metric"], math.nan), report.epoch) for report in reports]
    known = [best for best in values if math.isfinite(best.value)]
    choose = max if objective["direction"] == "maximize" else min
    return choose(known, key=lambda best: best.value, default=None)


def sweep_note(
    header: Mapping[str, Any],
    trials: Iterable[TrialRecord],
    bests: Mapping[str, Best],
    closing: Closing | None,
) -> str:
    """Markdown for the head of the sweep's run: the question, where it stands, the best of each strategy."""
    trials = list(trials)
    objective = header["sweep"]["objective"]
    again = [record for record in trials if record.kind == "confirm"]
    confirmed = f" **Trained again with other seeds:** {_counted(again)}." if again else ""
    lines = [
        header["sweep"]["question"],
        f"**Trials:** {_counted(record for record in trials if record.kind != 'confirm') or 'none yet'}.{confirmed}"
        f" **Sweep:** {closing.status if closing else 'running'}.",
    ]
    if closing is not None and "table_markdown" in closing.summary:
        lines.append(str(closing.summary["table_markdown"]))
    else:
        lines.append(_best_table(trials, bests, objective))
    return redact_text("\n\n".join(line for line in lines if line))[:_MAX_TAG]


def _best_table(trials: Sequence[TrialRecord], bests: Mapping[str, Best], objective: Mapping[str, str]) -> str:
    sign = 1 if objective["direction"] == "maximize" else -1
    leaders: dict[str, TrialRecord] = {}
    # The baseline is a row of its own: it is what the strategies start from.
    for record in (record for record in trials if record.id in bests and record.kind != "confirm"):
        row = record.strategy if record.kind == "trial" else "(baseline)"
        leader = leaders.setdefault(row, record)
        if sign * bests[record.id].value > sign * bests[leader.id].value:
            leaders[row] = record
    if not leaders:
        return ""
    rows = [
        f"| {row} | {bests[leader.id].value:.4g} | {leader.id} | {bests[leader.id].epoch} |"
        for row, leader in leaders.items()
    ]
    return "\n".join([f"| strategy | best {objective['metric']} | trial | epoch |", "|---|---|---|---|", *rows])


def _counted(records: Iterable[TrialRecord]) -> str:
    states = Counter(record.state for record in records)
    return ", ".join(f"{states[state]} {state}" for state in TrialState if states[state])


def _told(takeover: Takeover) -> str:
    values = ", ".join(f"{name} {_text(value)}" for name, value in takeover.params.items())
    return f"after epoch {takeover.epoch} from {takeover.donor}: {values}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
