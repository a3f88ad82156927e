"""run: a whole sweep, from its file to its table; also what launch.py calls."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.cli.options import override_option, runs_option

if TYPE_CHECKING:
    from rich.console import Console

    from intelligen.config.experiment import Experiment
    from intelligen.config.sweep import Sweep
    from intelligen.sweep.sweep_run import SweepRun
    from intelligen.tracking.mirror import MlflowMirror
    from intelligen.tracking.records import SweepStatus

QUICKSTART = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"
LOG_WIDTH = 160  # columns of the table in a pipe, where nobody says how wide it may be
INTERRUPTED, TERMINATED, SOME_FAILED = 130, 143, 3


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path), default=QUICKSTART)
@override_option
@runs_option
@click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="MLflow store; mlflow.db in the working directory where not given.",
)
def run(file: Path, overrides: tuple[str, ...], runs: Path, tracking_uri: str | None) -> int:
    """Run the sweep in FILE (the quickstart where none is given); the same command resumes it.

    -o reaches the sweep's settings (-o budget.trials=20) and the experiment's (-o experiment.training.epochs=3).
    """
    from intelligen.config.loading import load_sweep

    sweep, experiment = load_sweep(file, overrides)
    from intelligen.sweep.cluster import Capacity  # Ray comes with it, and a wrong file needs no Ray

    if "RAY_ADDRESS" not in os.environ:
        Capacity.of_this_machine().require(sweep)
    store = runs.absolute()
    uri = tracking_uri or f"sqlite:///{Path('mlflow.db').absolute()}"
    signals: list[int] = []
    try:
        with _termination_as_interrupt(signals):
            return _run_sweep(sweep, experiment, store=store, tracking_uri=uri, signals=signals)
    except KeyboardInterrupt:
        click.echo("interrupted: the same command goes on where this one stopped", err=True)
        return _interrupt_code(signals)


def _interrupt_code(signals: list[int]) -> int:
    return TERMINATED if signal.SIGTERM in signals else INTERRUPTED


def _run_sweep(sweep: "Sweep", experiment: "Experiment", *, store: Path, tracking_uri: str, signals: list[int]) -> int:
    from rich.console import Console

    from intelligen.cli.progress import counting
    from intelligen.data.prepared import describe
    from intelligen.data.preparing import prepare
    from intelligen.reporting.live import LiveProgress
    from intelligen.sweep.header import require_unchanged, sweep_header
    from intelligen.sweep.stages import is_finished
    from intelligen.sweep.sweep_run import SweepRun
    from intelligen.tracking.ledger import Ledger
    from intelligen.tracking.mirror import MlflowMirror
    from intelligen.tracking.provenance import record_provenance
    from intelligen.tracking.records import SweepStatus, TrialState
    from intelligen.tracking.store import ensure_store

    console = Console()
    if not console.is_terminal:
        console.width = LOG_WIDTH
    with counting() as on_progress:
        prepared = prepare(experiment.data, store, on_progress=on_progress)
    for line in describe(prepared):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    directory = store / "sweeps" / sweep.name
    header = sweep_header(sweep, experiment, prepared=prepared.identity)
    with Ledger.open(directory, header) as ledger:
        require_unchanged(ledger.header, header, directory)
        record_provenance(directory)
        ensure_store(tracking_uri, experiment.name)
        mirror = MlflowMirror(directory, tracking_uri=tracking_uri, experiment=experiment.name)
        mirror.start()
        launch = SweepRun(sweep, experiment, prepared.identity, store, directory, ledger)
        code, status = 0, SweepStatus.FAILED
        try:
            if not is_finished(launch):
                with LiveProgress(directory, objective=sweep.objective.metric, console=console):
                    code = _stages(launch, signals)
            status = SweepStatus.INTERRUPTED if code in (INTERRUPTED, TERMINATED) else SweepStatus.COMPLETE
        finally:
            _close(launch, status, mirror, console, tracking_uri)
        failed = any(record.state is TrialState.FAILED for record in ledger.trials.values())
    return code or (SOME_FAILED if failed else 0)


def _stages(launch: "SweepRun", signals: list[int]) -> int:
    from intelligen.sweep.cluster import ray_running
    from intelligen.sweep.stages import baseline_stage, prepare_search, search_stage, test_stage

    prepare_search(launch)
    try:
        # Once more: Ray's start takes the handlers for itself.
        with ray_running(launch.sweep), _termination_as_interrupt(signals):
            baseline_stage(launch)
            if not search_stage(launch):
                raise KeyboardInterrupt
            test_stage(launch)
    except (KeyboardInterrupt, SystemExit):  # Ray Train answers an interrupt by leaving the process
        return _interrupt_code(signals)
    return 0


def _close(
    launch: "SweepRun", status: "SweepStatus", mirror: "MlflowMirror", console: "Console", tracking_uri: str
) -> None:
    """Write the table, let the mirror catch up, and say where to look next."""
    from intelligen.reporting.front import markdown_front, rich_front
    from intelligen.reporting.table import markdown_table, rich_table
    from intelligen.sweep.stages import is_finished, pareto_front
    from intelligen.tracking.leaderboard import leaderboard
    from intelligen.tracking.records import SweepStatus
    from intelligen.tracking.redaction import redact_text

    objective = launch.sweep.objective.metric
    rows = leaderboard(launch.directory, launch.ledger.trials, metric=objective)
    front = pareto_front(launch)
    table = markdown_table(rows, objective=objective) + markdown_front(front, metrics=launch.metrics)
    summary = {"table_markdown": table} | {
        f"best/{row.strategy}/{name}": value for row in rows for name, value in row.best.scores.items()
    }
    if not is_finished(launch):
        launch.ledger.close_sweep(status, summary)
    mirrored = mirror.close(timeout_s=60.0)
    if rows:
        title = redact_text(launch.sweep.question or launch.sweep.name)
        console.print(rich_table(rows, title=title, objective=objective))
    if front:
        console.print(rich_front(front, metrics=launch.metrics))
    if status is SweepStatus.INTERRUPTED:
        console.print("interrupted: the same command goes on where this one stopped")
    (launch.directory / "table.md").write_text(table, encoding="utf-8")
    console.print(f"table    {launch.directory / 'table.md'}", soft_wrap=True, highlight=False)
    shown = redact_text(tracking_uri)
    compare = shown if shown.startswith("http") else f"mlflow ui --backend-store-uri {shown}"
    console.print(f"compare  {compare}", soft_wrap=True, highlight=False)
    if not mirrored:
        console.print(f"MLflow at {shown} does not hold everything yet: the same command sends the rest")


@contextmanager
def _termination_as_interrupt(signals: list[int]) -> Iterator[None]:
    """Ray stops cleanly at SIGINT but dies at SIGTERM: make the one the other, and remember which it was."""

    def on_termination(number: int, frame: object) -> None:
        signals.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, on_termination)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
