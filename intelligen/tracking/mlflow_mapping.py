"""Mapping of trials and sweeps to MLflow's params, metrics and tags, within MLflow's limits."""

import json
import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.compared_units import Units
from intelligen.analysis.leaderboard import markdown_cell
from intelligen.analysis.strategy_table import SELECTED, USABLE, effort_of, selected_scores
from intelligen.config.document import flatten
from intelligen.state.history import Report
from intelligen.state.redaction import redact
from intelligen.state.trial_records import Closing, Exploit, TrialRecord, TrialState
from intelligen.state.trial_result import Result

SAMPLES_FILE = "samples.json"
INTERNAL = "mlflow.intelligen."
"""Before the names of tags that are for the mirror alone: MLflow's interface hides those that begin so."""
MAX_TAG = 8000

_MAX_KEY = 250
_MAX_PARAM = 6000
_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "FINISHED",
    # MLflow shows KILLED with the red cross of a failure; the tag `state` distinguishes the two.
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
}


class Ending(NamedTuple):
    """How a run ends, or that it goes on."""

    status: str
    """MLflow's."""
    state: str
    """The tag `state`: complete, pruned, failed, interrupted or running."""
    reason: str | None
    end_ms: int | None
    """Milliseconds since 1970."""


def mlflow_key(name: str) -> str:
    """`name` in the characters, the length and the path form that MLflow allows."""
    allowed = re.sub(r"[^\w/.\- :]", "_", name)
    return posixpath.normpath(allowed.strip("/").replace("..", "_"))[:_MAX_KEY]


def trial_params(record: TrialRecord) -> dict[str, str]:
    """The resolved settings, and the suggestion under its own names."""
    params = flatten(redact(record.config)) | redact(record.params)
    return {mlflow_key(name): _text(value)[:_MAX_PARAM] for name, value in params.items()}


def trial_identity(record: TrialRecord, *, sweep_id: str) -> dict[str, str]:
    """The tags by which a trial's run is found again."""
    return {"sweep_id": sweep_id, "trial_id": record.id, "kind": record.kind}


def trial_tags(
    record: TrialRecord,
    reports: Sequence[Report],
    *,
    ending: Ending,
    compared: ComparedRows | None = None,
    counted: str = "target tokens",
) -> dict[str, str]:
    """What the run of a trial is filtered by, and its description.

    Args:
        record: The trial.
        reports: Its history.
        ending: How it ended.
        compared: What the sweep's rows are; strategies where not given.
        counted: What its losses are summed over.

    """
    variants = compared is not None and compared.variants
    strategy = record.config["strategy"]["name"] if variants else record.row
    tags: dict[str, Any] = {"strategy": strategy} | (compared.tags(record.row) if compared is not None else {})
    tags |= {"seed": record.seed, "attempts": record.attempts}
    tags["state"] = ending.state
    for report in reports:
        tags |= report.tags
        bad = {name: value for name, value in report.metrics.items() if not math.isfinite(value)}
        tags |= {f"nonfinite/{name}": f"{value} at epoch {report.epoch}" for name, value in bad.items()}
    if ending.reason is not None:
        tags["stop_reason"] = ending.reason
    if record.confirms is not None:
        tags["confirms"] = record.confirms
    if record.exploits:
        tags["takeovers"] = "; ".join(_exploit_words(exploit) for exploit in record.exploits)
    if reports:
        tags["mlflow.note.content"] = samples_note(reports[-1], counted=counted)
    return as_tags(tags)


def replicate_tag(record: TrialRecord, fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """Which of several searches a trial is of; nothing in a sweep with one."""
    found = Units.recorded(fingerprint).of_seeds([record.seed])
    return as_tags({"replicate": found[0]}) if found else {}


def source_tags(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """Which code made the run, under our name and under those that MLflow's interface shows; plugins' by package."""
    commit = fingerprint.get("git_commit")
    source = {"git_commit": commit, "mlflow.source.git.commit": commit, "mlflow.source.name": "intelligen"}
    return as_tags(
        source | {f"plugin/{package}": version for package, version in fingerprint.get("plugins", {}).items()}
    )


def pretrained_tags(settings: Mapping[str, Any]) -> dict[str, str]:
    """Which pre-trained model an experiment or a trial begins with: its place, revision, files and licence.

    Args:
        settings: Resolved, as JSON.

    """
    found = (settings.get("model") or {}).get("resolved") or {}
    named = {"pretrained": "path"} | {f"pretrained/{key}": key for key in ("revision", "files", "sha256", "licence")}
    return as_tags({tag: found.get(key) or None for tag, key in named.items()})


def as_tags(values: Mapping[str, Any]) -> dict[str, str]:
    """What is known of `values`, without secrets, as MLflow takes tags."""
    known = {name: value for name, value in redact(values).items() if value is not None}
    return {mlflow_key(name): _text(value)[:MAX_TAG] for name, value in known.items()}


def report_metrics(record: TrialRecord, report: Report) -> dict[str, float]:
    """Everything finite that a report measured. `progress/epoch` says that the epoch is in MLflow.

    Of a trial in a population also what it trained with: `pbt/finetuning.optimizer.learning_rate`.
    """
    # MLflow's tab of system metrics shows these names alone.
    system = {
        f"system/{name.replace('/', '_')}": value
        for name, value in report.metrics.items()
        if name.startswith(("gpu/", "cpu/")) and name != "gpu/count"
    }
    progress = {
        "progress/update": report.update,
        "progress/target_tokens": report.target_tokens,
        "progress/epoch": report.epoch,
    }
    values = record.params_in(report.epoch) if record.turn_epochs else {}
    return (
        finite({**report.metrics, **system})
        | finite({f"pbt/{name}": value for name, value in values.items()})
        | progress
    )


def summary_metrics(
    record: TrialRecord, reports: Sequence[Report], result: Result | None, *, metric: str
) -> dict[str, float]:
    """What a trial that has ended comes to, as the table has it; nothing of one that failed.

    MLflow sorts runs by the newest value of a metric, which of `valid/bleu` is the last epoch's. `selected/valid/bleu`
    is of the weights that would be tested, and `trial/…` is of all epochs.

    Args:
        record: The trial.
        reports: Its history.
        result: The scores of its selected weights; none where it was stopped.
        metric: The objective.

    """
    if record.state not in USABLE:
        return {}
    effort = effort_of(reports)
    whole = effort and {
        "trial/epoch_s": effort.epoch_s,
        "trial/cost_device_s": effort.cost_device_s,
        "trial/memory_avg_mib": effort.memory_avg_mib,
        "trial/memory_peak_mib": effort.memory_peak_mib,
    }
    selected = {SELECTED + name: value for name, value in selected_scores(result, reports, metric).items()}
    return finite(selected | (whole or {}))


def leading_metrics(
    leader: TrialRecord, shown: Mapping[str, float], closing: Closing, *, scores: Sequence[str]
) -> dict[str, float]:
    """Scores of a sweep's best row, for the sweep's own run, under the names that its trial has them by.

    Args:
        leader: The trial whose selected weights validation prefers.
        shown: The metrics of its run.
        closing: How the launch ended; its summary has the test scores, as means over seeds where the row was confirmed.
        scores: Which of them: `accuracy`, …

    """
    selected = {name: value for name, value in shown.items() if name.startswith(SELECTED)}
    tested: dict[str, float] = {}
    for group in ("best", "confirmed"):
        start = f"{mlflow_key(f'{group}/{leader.row}')}/"
        tested |= {
            name.removeprefix(start): value for name, value in finite(closing.summary).items() if name.startswith(start)
        }
    return {name: value for name, value in (selected | tested).items() if name.rpartition("/")[2] in scores}


def known_reports(record: TrialRecord, reports: list[Report]) -> list[Report]:
    """The reports of which it is known what the trial trained with.

    A history is read after the ledger, and the newest epoch may follow a decision that the ledger did not hold yet.
    """
    if not record.turn_epochs:
        return reports
    return [report for report in reports if report.epoch <= record.next_decision_epoch]


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
    return {INTERNAL + "samples_epoch": str(report.epoch)} | shown_as_table(SAMPLES_FILE)


def shown_as_table(file: str) -> dict[str, str]:
    """The tag by which MLflow's interface shows a file in the form of `log_table` as a table."""
    return {"mlflow.loggedArtifacts": json.dumps([{"path": file, "type": "table"}])}


def samples_note(report: Report, *, counted: str = "target tokens") -> str:
    """The newest sample translations as Markdown, as many as MLflow's bound allows."""
    note = f"Epoch {report.epoch}, update {report.update:,}, {report.target_tokens:,} {counted}."
    rows = [
        f"| {' | '.join(markdown_cell(text) for text in (sample.source, sample.hypothesis, sample.reference))} |"
        for sample in report.samples
    ]
    for line in ["", "| source | hypothesis | reference |", "|---|---|---|", *rows] if rows else []:
        if len(note) + len(line) < MAX_TAG:
            note += f"\n{line}"
    return note


def trial_ending(record: TrialRecord, closing: Closing | None) -> Ending:
    """How a trial's run ends. No trial outlives its sweep."""
    if record.state is TrialState.RUNNING and closing is not None:
        return Ending("KILLED", "interrupted", str(closing.status), max(closing.time_ms, record.started_ms))
    return Ending(_STATUS[record.state], str(record.state), record.stop_reason, record.ended_ms)


def _exploit_words(exploit: Exploit) -> str:
    values = ", ".join(f"{name} {_text(value)}" for name, value in exploit.params.items())
    return f"after epoch {exploit.epoch} from {exploit.donor}: {values}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
