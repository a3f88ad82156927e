"""However a launch ends, its ledger says so and its mirror is closed: what cannot be told of it changes neither."""

from typing import TYPE_CHECKING, Any

from intelligen.errors import writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from intelligen.reporting.front import Front
    from intelligen.sweep.sweep_run import SweepRun
    from intelligen.tracking.leaderboard import Row
    from intelligen.tracking.mirror import MlflowMirror
    from intelligen.tracking.records import SweepStatus

INTERRUPTED_LINE = "interrupted: the same command goes on where this one stopped"
_MIRROR_S = 60.0


def close_launch(
    launch: "SweepRun", status: "SweepStatus", mirror: "MlflowMirror", console: "Console", *, tracking_uri: str
) -> None:
    """Write table and report, let the mirror catch up, and say where to look next: files first, then the terminal.

    Raises:
        StorageError: A trial's files are damaged, so that there is no table, or the ledger cannot be written.

    """
    from intelligen.sweep.stages import link_runs
    from intelligen.tracking.links import compare_lines
    from intelligen.tracking.records import SweepStatus
    from intelligen.tracking.redaction import redact_text
    from intelligen.tracking.run_ids import read_run_ids

    shown, mirrored, report = redact_text(tracking_uri), False, None
    try:
        try:
            rows, front, table = _conclude(launch, status)
            path = launch.directory / "table.md"
            with writing(path, needed=len(table.encode())):
                path.write_text(table, encoding="utf-8")
            if status is SweepStatus.COMPLETE:
                # The report names MLflow's runs.
                mirror.try_sync()
                report = _write_report(launch, console)
        finally:
            mirrored = mirror.close(timeout_s=_MIRROR_S)
        if status is not SweepStatus.FAILED:  # of which the study may be the cause
            link_runs(launch, tracking_uri=tracking_uri)
        _show(launch, status, rows, front, console)
        _say(console, f"table    {path}")
        if report is not None:
            _say(console, f"report   {report}")
        for place, line in enumerate(compare_lines(tracking_uri, read_run_ids(launch.directory))):
            _say(console, f"{'' if place else 'compare':8} {line}")
    finally:
        if not mirrored:
            why = mirror.refusal or f"MLflow at {shown} does not hold everything yet"
            then = "; then the same command sends the rest" if mirror.refusal else ": the same command sends the rest"
            _say(console, f"{why}{then}")


def _say(console: "Console", line: str) -> None:
    """A whole line, in which brackets are no markup."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _conclude(launch: "SweepRun", status: "SweepStatus") -> tuple["Sequence[Row]", "Front", str]:
    """Sum the sweep up for the ledger, which says that the launch failed where that cannot be done."""
    from intelligen.reporting.front import markdown_front
    from intelligen.reporting.table import markdown_table
    from intelligen.sweep.stages import is_finished, pareto_front
    from intelligen.tracking.leaderboard import leaderboard
    from intelligen.tracking.records import SweepStatus

    objective, scores = launch.sweep.objective.metric, launch.experiment.task.reported_scores
    ending, closed = SweepStatus.FAILED, False
    summary: dict[str, Any] = {}
    try:
        rows = leaderboard(launch.directory, launch.ledger.trials, metric=objective)
        front = pareto_front(launch)
        table = markdown_table(rows, objective=objective, scores=scores) + markdown_front(front, metrics=launch.metrics)
        closed = is_finished(launch)
        ending, summary = status, {"table_markdown": table} | _scores(rows)
    finally:
        if not closed:
            launch.ledger.close_sweep(ending, summary)
    return rows, front, table


def _write_report(launch: "SweepRun", console: "Console") -> "Path | None":
    try:
        from intelligen.reporting.report.writing import write_report

        return write_report(launch.directory, store=launch.store)
    except Exception as error:
        from intelligen.reporting.sweeps import command_line

        # Of any kind: the sweep has come to its end, and its results stand without a page about them.
        what = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"no report: {what}; its results stand; try again: {command_line('report', launch.directory)}"
        _say(console, line)
        return None


def _scores(rows: "Sequence[Row]") -> dict[str, float]:
    """`best/STRATEGY/test/SCORE` of one model, `confirmed/STRATEGY/test/SCORE` as the mean over seeds."""
    return {
        f"{'confirmed' if row.over_seeds else 'best'}/{row.strategy}/{name}": value
        for row in rows
        for name, value in row.mean_scores().items()
    }


def _show(launch: "SweepRun", status: "SweepStatus", rows: "Sequence[Row]", front: "Front", console: "Console") -> None:
    from intelligen.reporting.front import rich_front
    from intelligen.reporting.sweeps import command_line
    from intelligen.reporting.table import rich_table
    from intelligen.tracking.records import SweepStatus
    from intelligen.tracking.redaction import redact_text

    if rows:
        title = redact_text(launch.sweep.question or launch.sweep.name)
        objective, scores = launch.sweep.objective.metric, launch.experiment.task.reported_scores
        console.print(rich_table(rows, title=title, objective=objective, scores=scores))
    if front:
        console.print(rich_front(front, metrics=launch.metrics))
    if status is SweepStatus.PAUSED:
        _say(console, f"paused, as asked: {command_line('resume', launch.directory)} does the stages that are left")
    if status is SweepStatus.INTERRUPTED:
        _say(console, f"{INTERRUPTED_LINE}, and so does: {command_line('resume', launch.directory)}")
