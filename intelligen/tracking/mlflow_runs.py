"""MLflow runs of a sweep: its own and one per trial, created once, found again by tag."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.leaderboard import LeaderboardEntry, leaderboard_entry
from intelligen.analysis.mlflow_links import comparison_path
from intelligen.analysis.strategy_table import best_value
from intelligen.config.schema.stages_after_search import Scoring, possible_labels
from intelligen.config.schema.tasks import task_settings
from intelligen.state.history import Report
from intelligen.state.mlflow_run_ids import RunIds, write_run_ids
from intelligen.state.provenance_files import DIFF, read_provenance
from intelligen.state.redaction import redact
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import Closing, TrialRecord, TrialState
from intelligen.tracking import mlflow_mapping
from intelligen.tracking.comparison_view import ComparedSettings
from intelligen.tracking.mlflow_run_writer import MirroredRun, Points, create_run, find_runs
from intelligen.tracking.saved_views import SavedViews, fitting_state
from intelligen.tracking.sweep_parent_run import DIFF_FILE, SweepSummary, as_json
from intelligen.training.scores_file import SCORES, score_files

if TYPE_CHECKING:
    from mlflow import MlflowClient


class MlflowRuns:
    """The runs of one sweep, as they were when last seen. After an error, make a new one: it looks again.

    Of the ledger's fingerprint it shows `sweep_id`, `prepared`, `sweep` and `experiment` (the resolved settings as
    JSON) and, where they are known, `git_commit`, `host` and `versions`.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        *,
        files: SweepFiles,
        fingerprint: Mapping[str, Any],
        views: SavedViews,
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._directory = files.directory
        self._fingerprint = fingerprint
        self._metric: str = fingerprint["sweep"]["objective"]["metric"]
        self._runs = find_runs(client, experiment_id, sweep_id=fingerprint["sweep_id"])
        self._summary: SweepSummary | None = None
        self._files = files
        self._shown: dict[str, object] = {}
        self._values: dict[str, float] = {}
        self._entries: dict[str, LeaderboardEntry] = {}
        self._views = views
        self._compared: object = None
        self._rows = ComparedRows.recorded(fingerprint)
        self._task = task_settings(fingerprint["experiment"])
        self._remembered = RunIds()

    def update(self, trials: Mapping[str, TrialRecord], closing: Closing | None) -> None:
        """Make the runs equal the files; a sweep is shown from its first trial on."""
        if not trials:
            return
        parent = self._runs.get(None) or self._create_parent(min(record.started_ms for record in trials.values()))
        if self._summary is None:
            self._summary = SweepSummary(parent, directory=self._directory, fingerprint=self._fingerprint)
        changed = [self._update_trial(record, closing, parent_id=parent.id) for record in trials.values()]
        if any(changed) or closing is not None:
            self._prepare_comparison(trials.values(), parent)
        self._remember(parent)
        key = self._views.key
        path = None if key is None else comparison_path(self._experiment_id, key)
        metrics = {trial_id: run.metrics for trial_id, run in self._runs.items() if trial_id is not None}
        self._summary.update(
            trials, closing, values=self._values, entries=self._entries, metrics=metrics, comparison=path
        )

    def _prepare_comparison(self, trials: Iterable[TrialRecord], parent: MirroredRun) -> None:
        sweep = self._fingerprint["sweep"]
        objectives = [one["metric"] for one in sweep.get("objectives") or [sweep["objective"]]]
        metrics = {name for run in self._runs.values() if run is not parent for name in run.metrics}
        if self._compared == (now := (ComparedSettings.of(trials), metrics)):
            return
        state = fitting_state(
            sweep["name"], parent.id, objectives, now[0], task=self._task, metrics=metrics, compared=self._rows
        )
        is_written = self._views.write(
            self._client, self._experiment_id, sweep_id=self._fingerprint["sweep_id"], name=sweep["name"], state=state
        )
        self._compared = now if is_written else None

    def _remember(self, parent: MirroredRun) -> None:
        """Write down which run shows which trial, where that is new."""
        trials = {trial_id: run.id for trial_id, run in self._runs.items() if trial_id is not None}
        runs = RunIds(self._experiment_id, parent.id, trials, self._views.key)
        if runs != self._remembered:
            write_run_ids(self._directory, runs)
            self._remembered = runs

    def _create_parent(self, start_ms: int) -> MirroredRun:
        tags = {"sweep_id": self._fingerprint["sweep_id"], "kind": "sweep"}
        return self._create(None, name=self._fingerprint["sweep"]["name"], start_ms=start_ms, tags=tags)

    def _create_child(self, record: TrialRecord, *, parent_id: str) -> MirroredRun:
        identity = mlflow_mapping.trial_identity(record, sweep_id=self._fingerprint["sweep_id"])
        tags = {**identity, "mlflow.parentRunId": parent_id}
        return self._create(record.id, name=record.title, start_ms=record.started_ms, tags=tags)

    def _create(self, trial_id: str | None, *, name: str, start_ms: int, tags: Mapping[str, str]) -> MirroredRun:
        run = create_run(self._client, self._experiment_id, name=name, start_ms=start_ms, tags=tags)
        self._runs[trial_id] = run
        return run

    def _update_trial(self, record: TrialRecord, closing: Closing | None, *, parent_id: str) -> bool:
        """Make a trial's run equal its files; returns whether they have changed."""
        reports = mlflow_mapping.known_reports(record, self._files.histories.reports(record))
        ending = mlflow_mapping.trial_ending(record, closing)
        now = (record, ending, reports)
        if self._shown.get(record.id) == now:
            return False
        run = self._runs.get(record.id) or self._create_child(record, parent_id=parent_id)
        self._describe(run, record)
        counted = self._task.counted
        tags = mlflow_mapping.trial_tags(record, reports, ending=ending, compared=self._rows, counted=counted)
        tags |= mlflow_mapping.replicate_tag(record, self._fingerprint)
        if ending.status != "RUNNING":
            tags |= _put_samples(run, reports)
        points = _missing_epochs(run, record, reports) + self._missing_summary(run, record, reports)
        # All of a report is one request.
        run.write(points=points + self._missing_scores(run, record), tags=tags)
        if ending.reason is None:
            run.drop_tag("stop_reason")
        run.set_status(ending.status, ending.end_ms)
        self._rank(record, reports)
        self._shown[record.id] = now
        return True

    def _rank(self, record: TrialRecord, reports: Sequence[Report]) -> None:
        self._entries.pop(record.id, None)
        self._values.pop(record.id, None)
        if record.state is TrialState.RUNNING:
            value = best_value(reports, self._metric)
        else:
            directory = record.within(self._directory)
            entry = leaderboard_entry(record, reports, directory=directory, metric=self._metric)
            self._entries[record.id], value = entry, entry.value
        if value is not None:
            self._values[record.id] = value

    def _describe(self, run: MirroredRun, record: TrialRecord) -> None:
        params = mlflow_mapping.trial_params(record)
        # The params are written last, so they say that the rest is there.
        if params.keys() <= run.params.keys():
            return
        files = {"config/trial.json": as_json(redact(record.config))}
        diff = read_provenance(self._directory, DIFF)
        run.put_files(files | ({DIFF_FILE: diff} if diff else {}))
        self._name_inputs(run, {"train": "training", "valid": "validation"})
        origin = mlflow_mapping.source_tags(self._fingerprint) | mlflow_mapping.pretrained_tags(record.config)
        run.write(params=params, tags=origin)

    def _name_inputs(self, run: MirroredRun, contexts: Mapping[str, str]) -> None:
        """Link splits (name → what they are used for) of the prepared data."""
        corpus = self._fingerprint["experiment"]["data"]["corpus"]
        name = self._fingerprint["experiment"]["name"]
        run.name_inputs(
            {f"{name}-{split}": context for split, context in contexts.items()},
            digest=self._fingerprint["prepared"],
            source_type=corpus["name"],
            source=json.dumps(redact(corpus)),
        )

    def _missing_summary(self, run: MirroredRun, record: TrialRecord, reports: Sequence[Report]) -> list[Points]:
        """What an ended trial comes to, where MLflow lacks it: once, at the trial's last update."""
        result = self._files.result(record)
        values = mlflow_mapping.summary_metrics(record, reports, result, metric=self._metric)
        missing = {name: value for name, value in values.items() if name not in run.metrics}
        update = reports[-1].update if reports else 0
        return [Points(missing, update, record.ended_ms or record.started_ms)] if missing else []

    def _missing_scores(self, run: MirroredRun, record: TrialRecord) -> list[Points]:
        """Test scores that MLflow lacks or has otherwise.

        Their hypotheses are artifacts from now on, and their test sets inputs.
        """
        recorded = mlflow_mapping.finite(record.scores)
        missing = {name: value for name, value in recorded.items() if name not in run.metrics}
        corrected = {name: value for name, value in recorded.items() if run.metrics.get(name, value) != value}
        scores = missing | corrected
        if not scores:
            return []
        self._name_inputs(run, dict.fromkeys(sorted({self._split_of(name) for name in scores}), "test"))
        files = score_files(record.within(self._directory))
        if files:
            # Beforehand: where the scores are, their hypotheses are too.
            run.put_files({f"{SCORES}/{path.name}": path.read_text(encoding="utf-8") for path in files})
        time_ms = record.ended_ms or record.started_ms
        # MLflow shows the last step, which is the correction.
        return [Points(missing, 0, time_ms), Points(corrected, 1, time_ms)]

    def _split_of(self, score: str) -> str:
        """`test` of `test-greedy/bleu`: no split ends in the name of one of the sweep's searches."""
        split = score.partition("/")[0]
        scoring = Scoring.model_validate_json(json.dumps(self._fingerprint["sweep"].get("test") or {}))
        for label in chain.from_iterable(map(possible_labels, scoring.searches or ())):
            split = split.removesuffix(f"-{label}")
        return split


def _missing_epochs(run: MirroredRun, record: TrialRecord, reports: Sequence[Report]) -> list[Points]:
    """Epochs that MLflow lacks. One that a resumed trial repeats stays as it was."""
    known = run.metrics.get("progress/epoch", 0)
    return [
        Points(mlflow_mapping.report_metrics(record, report), report.update, report.time_ms)
        for report in reports
        if report.epoch > known
    ]


def _put_samples(run: MirroredRun, reports: Sequence[Report]) -> dict[str, str]:
    """Write the newest sample translations as a file, where they are not there yet; returns the tags that say so."""
    sampled = [report for report in reports if report.samples]
    if not sampled:
        return {}
    tags = mlflow_mapping.samples_tags(sampled[-1])
    if not tags.items() <= run.tags.items():
        run.put_files({mlflow_mapping.SAMPLES_FILE: as_json(mlflow_mapping.samples_table(sampled[-1]))})
    # What the first release called it, where everybody saw it.
    run.drop_tag("samples_epoch")
    return tags
