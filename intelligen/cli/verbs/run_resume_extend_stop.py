"""run, resume, extend, stop: a sweep starts from its file, and goes on from its file or its directory."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.analysis.find_sweep import find_sweep
from intelligen.analysis.status import read_status, runner
from intelligen.analysis.suggested_command import command_line
from intelligen.cli.json_output import print_document
from intelligen.cli.options import (
    json_option,
    last_tracking_option,
    local_option,
    override_option,
    runs_option,
    sweep_argument,
    tracking_option,
    until_option,
)
from intelligen.config.initial_place import placing_initial
from intelligen.config.load import load_sweep
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import BusyError, ConfigError
from intelligen.reporting.terminal.console_output import lasting_output, people_console
from intelligen.reporting.terminal.console_reporter import ConsoleReporter
from intelligen.state.sweep_files import SweepFiles
from intelligen.sweep.stop_file import request_stop, wait_until_stopped

if TYPE_CHECKING:
    from intelligen.sweep.launch_request import LaunchRequest

QUICKSTART = Path("search_spaces", "quickstart.yaml")


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path), default=QUICKSTART)
@override_option
@runs_option
@tracking_option
@until_option
@local_option
@json_option
def run(
    file: Path,
    overrides: tuple[str, ...],
    runs: Path,
    tracking_uri: str | None,
    until: str,
    local: bool,
    as_json: bool,
) -> int:
    """Run the sweep in FILE; the same command resumes it.

    Without FILE it runs the quickstart. -o changes the sweep's settings (-o budget.trials=20) and the experiment's
    (-o experiment.training.epochs=3). --until ends the launch after a stage; a later launch runs the rest.
    """
    from intelligen.sweep.launch_request import request_of_file

    sweep, experiment = load_sweep(file, overrides)
    request = request_of_file(sweep, experiment, runs=runs, tracking_uri=tracking_uri)
    with placing_initial(file, overrides):
        given = (str(file), *overrides)
        return _launch(replace(request, until=until, local=local, given=given), as_json=as_json)


@click.command()
@sweep_argument()
@click.option("--failed", is_flag=True, help="Run the trials that failed again, within the same budget.")
@override_option
@runs_option
@last_tracking_option
@local_option
@json_option
def resume(
    sweep: str,
    failed: bool,
    overrides: tuple[str, ...],
    runs: Path,
    tracking_uri: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Resume SWEEP from its own directory.

    Settings, data and MLflow store are those of its last launch, so its file is not needed. -o changes settings that
    may change between launches: budget, resources, baseline, question.
    """
    request = _request(sweep, overrides, runs, tracking_uri)
    return _launch(replace(request, failed_again=failed, local=local), as_json=as_json)


@click.command()
@sweep_argument()
@click.option("--trials", type=click.IntRange(1), help="New budget.trials: a total, including trials that ran.")
@click.option("--trials-per-strategy", type=click.IntRange(1), help="New budget.trials_per_strategy, also a total.")
@override_option
@runs_option
@last_tracking_option
@local_option
@json_option
def extend(
    sweep: str,
    trials: int | None,
    trials_per_strategy: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    tracking_uri: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Give SWEEP a larger budget and resume it.

    Numbers are totals, so repeating the command changes nothing. Use -o for budgets without an option
    (-o budget.KEY=VALUE), and for more seeds of the confirmation (-o confirm.seeds=5).
    """
    asked = {"trials": trials, "trials_per_strategy": trials_per_strategy}
    wanted = {key: number for key, number in asked.items() if number is not None}
    if not wanted and not any(text.startswith(("budget.", "confirm.")) for text in overrides):
        raise ConfigError(
            "extend: say by how much: --trials N, --trials-per-strategy N, -o budget.KEY=VALUE or -o confirm.seeds=N"
        )
    twice = [text for text in overrides for key in wanted if text.partition("=")[0] in ("budget", f"budget.{key}")]
    if twice:
        option = f"--{next(iter(wanted)).replace('_', '-')}"
        raise ConfigError(f"-o {twice[0]}: {option} gives a budget too: give one of them")
    now = _request(sweep, (), runs, tracking_uri).sweep
    _require_same_units(now, wanted)
    larger = tuple(f"budget.{key}={number}" for key, number in wanted.items())
    request = _request(sweep, (*overrides, *larger), runs, tracking_uri)
    _require_larger(now, request.sweep)
    return _launch(replace(request, local=local), as_json=as_json)


@click.command()
@sweep_argument()
@runs_option
@click.option("--timeout", type=click.FloatRange(0), default=120.0, show_default=True, help="Seconds to wait.")
@json_option
def stop(sweep: str, runs: Path, timeout: float, as_json: bool) -> None:
    """Ask the launcher of SWEEP to stop, and wait for it.

    The launcher may run on any host that shares the runs directory. Finished work is kept.
    """
    files = SweepFiles(find_sweep(runs.absolute(), sweep))
    owner = runner(files)
    if owner is not None:
        request_stop(files.directory)
        if not wait_until_stopped(lambda: runner(files) is not None, timeout_s=timeout):
            watch = command_line("watch", files.directory)
            raise BusyError(
                f"{files.directory.name}: asked to stop, but {owner} still runs after {timeout:.0f} s; it stops when"
                f" it sees the request, unless it hangs or is gone: wait, watch it ({watch}), or kill it"
            )
    now, ran = read_status(files), owner is not None
    if as_json:
        print_document({**now.document(), "ran": ran})
    else:
        word = "has stopped" if ran else "is not running"
        click.echo(f"{now.name}: {word}; {now.ended_words} trials ended")
        if now.unfinished:
            click.echo(f"resume   {command_line('resume', files.directory)}")


def _request(sweep: str, overrides: tuple[str, ...], runs: Path, tracking_uri: str | None) -> "LaunchRequest":
    from intelligen.sweep.launch_request import request_of_directory

    return request_of_directory(find_sweep(runs.absolute(), sweep), overrides, tracking_uri=tracking_uri)


def _require_same_units(now: Sweep, wanted: dict[str, int]) -> None:
    """A budget is extended in the unit that it has."""
    for key in wanted:
        if getattr(now.budget, key) is None:
            given = ", ".join(now.budget.model_dump(exclude_none=True))
            if not given:
                raise ConfigError(f"--{key.replace('_', '-')}: {now.name} has no budget: it runs each point once")
            raise ConfigError(f"--{key.replace('_', '-')}: the budget of {now.name} is in {given}; give more of that")


def _require_larger(now: Sweep, extended: Sweep) -> None:
    for key, number in now.budget.model_dump(exclude_none=True).items():
        new = getattr(extended.budget, key)
        if new is not None and new < number:
            had = f"{now.name} has budget.{key} {number:g} already"
            raise ConfigError(f"extend: {had}; give more than that, not {new:g}")


def _launch(request: "LaunchRequest", *, as_json: bool) -> int:
    from intelligen.sweep.launch import launch_sweep

    with lasting_output():
        code = launch_sweep(request, ConsoleReporter(people_console(stderr=as_json)), ends_process=True)
        if as_json:
            print_document({**read_status(SweepFiles(request.directory)).document(), "exit_code": code})
    return code
