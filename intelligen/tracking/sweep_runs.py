"""One MLflow run for the sweep and one below it per trial: created once, found again by tag, brought up to date."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intelligen.errors import StorageError
from intelligen.tracking import projection
from intelligen.tracking.followed import Followed
from intelligen.tracking.projection import Best
from intelligen.tracking.records import Closing, TrialRecord
from intelligen.tracking.redaction import redact, redact_text
from intelligen.tracking.runs import MirroredRun, Points, create_run, find_runs
from intelligen.training.history import HISTORY_FILE, Report, read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's interface shows the files that this tag names as tables.
_SAMPLES_TAG = {"mlflow.loggedArtifacts": json.dumps([{"path": projection.SAMPLES_FILE, "type": "table"}])}


class SweepRuns:
    """The runs of one sweep, as they stood when last seen. After an error, make a new one: it looks again.

    Of the ledger's header it shows `sweep_id`, `sweep` and `experiment` (the resolved settings as JSON) and, where
    they are known, `git_commit`, `host` and `versions`.
    """

    def __init__(
        self, client: "MlflowClient", experiment_id: str, *, directory: Path, header: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._directory = directory
        self._header = header
        self._runs = find_runs(client, experiment_id, sweep_id=header["sweep_id"])
        self._histories: dict[str, Followed[list[Report]]] = {}
        self._shown: dict[str, object] = {}
        self._shown_ledger: object = None
        self._shown_closing: int | None = None
        self._bests: dict[str, Best] = {}

    def update(self, trials: Mapping[str, TrialRecord], closing: Closing | None) -> None:
        """Make the runs equal the files; a sweep is shown from its first trial on."""
        if not trials:
            return
        parent = self._runs.get(None) or self._create_parent(min(record.started_ms for record in trials.values()))
        for record in trials.values():
            self._update_trial(record, closing, parent_id=parent.id)
        self._update_parent(parent, trials, closing)

    def _create_parent(self, start_ms: int) -> MirroredRun:
        tags = {"sweep_id": self._header["sweep_id"], "kind": "sweep"}
        return self._create(None, name=self._header["sweep"]["name"], start_ms=start_ms, tags=tags)

    def _create(self, trial_id: str | None, *, name: str, start_ms: int, tags: Mapping[str, str]) -> MirroredRun:
        run = create_run(self._client, self._experiment_id, name=name, start_ms=start_ms, tags=tags)
        self._runs[trial_id] = run
        return run

    def _update_parent(self, run: MirroredRun, trials: Mapping[str, TrialRecord], closing: Closing | None) -> None:
        # A report alone does not change it: that would be a second request for each one.
        if (trials, closing) == self._shown_ledger:
            return
        # The source's tag is written after the artifacts, so it says that they are there.
        if "mlflow.source.name" not in run.tags:
            for part in ("sweep", "experiment"):
                run.put_json(redact(self._header[part]), f"config/{part}.json")
            shown = {"host": self._header.get("host"), "question": self._header["sweep"]["question"]}
            versions = {f"version/{name}": version for name, version in self._header.get("versions", {}).items()}
            run.write(tags=projection.source_tags(self._header) | projection.as_tags(shown | versions))
        if closing is not None and closing.seq != self._shown_closing:
            self._show_summary(run, closing)
            self._shown_closing = closing.seq
        note = projection.sweep_note(self._header, trials.values(), self._bests, closing)
        run.write(tags={"mlflow.note.content": note})
        run.set_status(*projection.sweep_ending(closing))
        self._shown_ledger = (trials, closing)

    def _show_summary(self, run: MirroredRun, closing: Closing) -> None:
        if "table_markdown" in closing.summary:
            run.put_text(redact_text(closing.summary["table_markdown"]), "results.md")
        # A closing never changes, and MLflow drops what it holds already: showing it again adds nothing.
        run.write(points=_points(projection.finite(closing.summary), step=closing.seq, time_ms=closing.time_ms))

    def _update_trial(self, record: TrialRecord, closing: Closing | None, *, parent_id: str) -> None:
        reports = self._reports_of(record)
        ending = projection.trial_ending(record, closing)
        now = (record, ending, reports)
        if self._shown.get(record.id) == now:
            return
        run = self._runs.get(record.id) or self._create_child(record, parent_id=parent_id)
        self._describe(run, record)
        status, stop_reason, end_ms = ending
        tags = projection.trial_tags(record, reports, stop_reason=stop_reason)
        _log_reports(run, reports, tags=tags)
        scores = {name: value for name, value in projection.finite(record.scores).items() if name not in run.metrics}
        run.write(points=_points(scores, step=0, time_ms=record.ended_ms or record.started_ms), tags=tags)
        if stop_reason is None:
            run.drop_tag("stop_reason")
        run.set_status(status, end_ms)
        best = projection.best_report(reports, self._header["sweep"]["objective"])
        if best is not None:
            self._bests[record.id] = best
        self._shown[record.id] = now

    def _reports_of(self, record: TrialRecord) -> list[Report]:
        path = self._directory / record.directory / HISTORY_FILE
        return self._histories.setdefault(record.id, Followed(path, _read)).now()

    def _create_child(self, record: TrialRecord, *, parent_id: str) -> MirroredRun:
        identity = projection.trial_identity(record, sweep_id=self._header["sweep_id"])
        name = f"{record.id} {record.strategy}"
        tags = {**identity, "mlflow.parentRunId": parent_id}
        return self._create(record.id, name=name, start_ms=record.started_ms, tags=tags)

    def _describe(self, run: MirroredRun, record: TrialRecord) -> None:
        params = projection.trial_params(record)
        # The params are written last, so they say that the rest is there.
        if params.keys() <= run.params.keys():
            return
        run.put_json(redact(record.config), "config/trial.json")
        name, corpus = record.config["experiment"], self._header["experiment"]["data"]["corpus"]
        run.name_inputs(
            {f"{name}-train": "train", f"{name}-valid": "valid"},
            digest=record.config["prepared"],
            source_type=corpus["name"],
            source=json.dumps(redact(corpus)),
        )
        run.write(params=params, tags=projection.source_tags(self._header))


def _log_reports(run: MirroredRun, reports: Sequence[Report], *, tags: Mapping[str, str]) -> None:
    """Log the epochs that MLflow lacks. An epoch that a resumed trial repeats stands as it was."""
    known = run.metrics.get("progress/epoch", 0)
    missing = [report for report in reports if report.epoch > known]
    with_samples = [report for report in missing if report.samples]
    if with_samples:
        run.put_json(projection.samples_table(with_samples[-1]), projection.SAMPLES_FILE)
        tags = {**tags, **_SAMPLES_TAG}
    if missing:
        points = [Points(projection.report_metrics(report), report.epoch, report.time_ms) for report in missing]
        run.write(points=points, tags=tags)


def _points(values: Mapping[str, float], *, step: int, time_ms: int) -> list[Points]:
    return [Points(values, step, time_ms)] if values else []


def _read(history: Path) -> list[Report]:
    try:
        return read_history(history)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise StorageError(f"{history}: cannot read ({error}): restore it from a copy, or remove the trial") from error
