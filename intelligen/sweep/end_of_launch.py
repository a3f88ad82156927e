"""End of a launch: its ledger is closed, table and report written, the MLflow mirror brought up to date."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intelligen.analysis.beam_curve import BeamCurve, beam_curve
from intelligen.analysis.best_settings import BestSettings, SweepSettings
from intelligen.analysis.conclusion import Conclusion, answer, answer_lines
from intelligen.analysis.mlflow_links import compare_lines
from intelligen.analysis.result_rows import costs_of, primary, result_records, result_rows
from intelligen.analysis.row_verdicts import row_verdicts
from intelligen.analysis.strategy_table import StrategySummary, strategy_table
from intelligen.analysis.study import StudyResults, read_study
from intelligen.analysis.suggested_command import command_line
from intelligen.analysis.sweep_results import SweepResults, TableWords
from intelligen.analysis.verdicts import RowVerdict, summed_up
from intelligen.errors import IntelligenError, StorageError, writing
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.redaction import redact_text
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.sweep.launch_reporter import Reporter
from intelligen.sweep.signals import INTERRUPTED_LINE
from intelligen.sweep.stages import is_finished, link_runs, sweep_pareto_front
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import reopenable
from intelligen.tasks import build_task
from intelligen.tracking.mlflow_mirror import MlflowMirror

_MIRROR_S = 60.0


def close_launch(
    context: SweepContext, status: SweepStatus, mirror: MlflowMirror, reporter: Reporter, *, tracking_uri: str
) -> int:
    """Write table and report, let the mirror catch up, and say where to look next: files first, then the terminal.

    Returns:
        The exit code: not 0 where the results are complete, and their answer, beam curve or report could not be made.

    Raises:
        StorageError: A trial's files are damaged, so that there is no table, or the ledger cannot be written.

    """
    shown, mirrored = redact_text(tracking_uri), False
    report: Path | None = None
    found: Conclusion | None = None
    extras = _Extras(context, reporter)
    try:
        try:
            results, table, answered = _conclude(context, status, extras)
            path = context.directory / "table.md"
            with writing(path, needed=len(table.encode())):
                path.write_text(table, encoding="utf-8")
            if status is SweepStatus.COMPLETE:
                # The report names MLflow's runs.
                mirror.try_sync()
                report, found = _write_report(extras, answered), answered.found
        finally:
            mirrored = mirror.close(timeout_s=_MIRROR_S)
        if status is not SweepStatus.FAILED:  # of which the study may be the cause
            link_runs(context, tracking_uri=tracking_uri)
        if context.ledger.trials:  # else the launch ended before anything began, and its error says why
            reporter.show(results)
            reporter.say(f"table    {path}")
            if report is not None:
                reporter.say(f"report   {report}")
            for number, line in enumerate(compare_lines(tracking_uri, read_run_ids(context.directory))):
                reporter.say(f"{'' if number else 'compare':8} {line}")
        _say_what_next(context, status, reporter, found)
    finally:
        if not mirrored:
            why = mirror.refusal or f"MLflow at {shown} does not hold everything yet"
            then = "; then the same command sends the rest" if mirror.refusal else ": the same command sends the rest"
            reporter.say(f"{why}{then}")
    return extras.exit_code


@dataclass
class _Extras:
    """What is made of a finished sweep beside its results, which are complete without it."""

    context: SweepContext
    reporter: Reporter
    exit_code: int = 0
    """Of the first that could not be made."""

    @contextmanager
    def making(self, what: str) -> Iterator[None]:
        """Say in one line that this could not be made, why, and how to try again, whatever the error is."""
        try:
            yield
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            again = command_line("report", self.context.directory)
            self.reporter.say(f"no {what}: {why}; the results are complete; try again: {again}")
            self.exit_code = self.exit_code or _exit_code(error)


def _exit_code(error: Exception) -> int:
    if isinstance(error, OSError):
        return StorageError.exit_code
    return error.exit_code if isinstance(error, IntelligenError) else IntelligenError.exit_code


@dataclass(frozen=True)
class _Answered:
    """A study as it was read at the end of a launch, and what it says."""

    study: StudyResults | None = None
    """None where nothing of it was asked for."""
    found: Conclusion | None = None
    """The answer, where the sweep has come to its end."""
    verdicts: Sequence[RowVerdict] = ()

    def summary(self) -> dict[str, Any]:
        """For the ledger."""
        confirms = self.study is not None and self.study.sweep.confirm is not None
        return summed_up(self.verdicts, self.found.sentences) if self.found is not None and confirms else {}


def _conclude(context: SweepContext, status: SweepStatus, extras: _Extras) -> tuple[SweepResults, str, _Answered]:
    """Sum the sweep up for the ledger, which says that the launch failed where that cannot be done.

    Returns:
        Its results, their table, and the study that they are of.

    """
    ending, closed = SweepStatus.FAILED, False
    answered = _Answered()
    summary: dict[str, Any] = {}
    try:
        words = TableWords.of(context.sweep, build_task(context.experiment.task))
        summaries = strategy_table(context.directory, context.ledger.trials, metric=context.metrics[0])
        rows = sorted(summaries, key=lambda summary: words.compared.position(summary.row))
        settings = SweepSettings.read(SweepFiles(context.directory))
        results = SweepResults(
            title=redact_text(context.sweep.question or context.sweep.name),
            metrics=context.metrics,
            scores=context.experiment.task.reported_scores,
            rows=rows,
            front=sweep_pareto_front(context),
            words=words,
            best=_best(settings, rows, context.metrics[0], words),
            settings_use=settings.how_to_use,
        )
        if context.sweep.variants():
            study = read_study(context.directory, store=context.store)
            answered, results = _Answered(study), _with_records(results, study)
        if status is SweepStatus.COMPLETE:
            answered = _answer(extras, answered.study)
            results = replace(results, verdicts=answered.verdicts)
        if status is SweepStatus.COMPLETE and context.sweep.test.has_beam_sizes:
            results = replace(results, beam_curve=_beam_curve(extras, answered.study))
        table = extras.reporter.table(results)
        closed = is_finished(context)
        ending, summary = status, {"table_markdown": table} | _scores(results.rows) | answered.summary()
    finally:
        if not closed:
            context.ledger.close_sweep(ending, summary)
    return results, table, answered


def _best(
    settings: SweepSettings, rows: Sequence[StrategySummary], metric: str, words: TableWords
) -> list[BestSettings]:
    """The best trials with their settings; a baseline has those of the experiment."""
    return [
        settings.best(
            row.best, label=words.compared.label(row.row), score=f"{metric} {words.text(metric, row.best_value)}"
        )
        for row in rows
        if row.best.kind == "trial"
    ]


def _answer(extras: _Extras, study: StudyResults | None) -> _Answered:
    """What the study says; nothing where it cannot be read."""
    with extras.making("answer"):
        study = study or read_study(extras.context.directory, store=extras.context.store)
        rows = result_rows(study)
        decisive = primary(study, rows)
        found = answer(study, [row.score for row in decisive], costs_of(rows))
        return _Answered(study, found, row_verdicts(study, decisive) if study.sweep.confirm is not None else ())
    return _Answered(study)


def _beam_curve(extras: _Extras, study: StudyResults | None) -> BeamCurve | None:
    """Scores by sizes of the beam; None where the study cannot be read."""
    with extras.making("beam curve"):
        study = study or read_study(extras.context.directory, store=extras.context.store)
        return beam_curve(study, result_rows(study))
    return None


def _with_records(results: SweepResults, study: StudyResults) -> SweepResults:
    """What the table says more of variants than of strategies."""
    records = result_records(study, result_rows(study))
    shown = [one for one in records if one["note"] and one["test_set"] == study.primary[0]]
    notes = [f"{one['label']}: {one['note']}" for one in shown]
    words = replace(results.words, compared=study.compared)
    return replace(results, words=words, records=records, reported=study.task.reported, notes=notes)


def _write_report(extras: _Extras, answered: _Answered) -> Path | None:
    """The report's file; None where it cannot be written."""
    with extras.making("report"):
        return extras.reporter.write_report(extras.context.directory, store=extras.context.store, study=answered.study)
    return None


def _scores(rows: Sequence[StrategySummary]) -> dict[str, float]:
    """`best/STRATEGY/test/SCORE` of one model, `confirmed/STRATEGY/test/SCORE` as the mean over seeds."""
    return {
        f"{'confirmed' if row.over_seeds else 'best'}/{row.row}/{name}": value
        for row in rows
        for name, value in row.mean_scores().items()
    }


def _say_what_next(context: SweepContext, status: SweepStatus, reporter: Reporter, found: Conclusion | None) -> None:
    """The answer, and the commands that improve it; of a launch that has not ended the sweep, what goes on."""
    resume = command_line("resume", context.directory)
    if status is SweepStatus.PAUSED:
        reporter.say(f"paused, as requested; run the remaining stages: {resume}")
    if status is SweepStatus.INTERRUPTED:
        reporter.say(f"{INTERRUPTED_LINE}, and so does: {resume}")
    if found is not None:
        for line in answer_lines(found):
            reporter.say(line)
    failed = sum(record.state is TrialState.FAILED for record in context.ledger.trials.values())
    if failed and status is SweepStatus.COMPLETE:
        again, _ = reopenable(context)
        which = "what failed" if len(again) == failed else f"{len(again)} of them"
        reporter.say(f"failed   {failed} trial{'' if failed == 1 else 's'}{f'; run again {which}:' if again else ''}")
        if again:
            reporter.say(f"         {resume} --failed")
