"""status, watch, logs: what a sweep does and has done, read from its files; nothing is locked or written."""

import time
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from intelligen.analysis.find_sweep import find_sweep, named_in, store_naming
from intelligen.analysis.status import Status, SweepState, read_status
from intelligen.analysis.trial_logs import TrialLogs
from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, refuse_given, runs_option, sweep_argument, trial_argument
from intelligen.errors import IntelligenError
from intelligen.reporting.terminal.console_output import people_console, printable
from intelligen.reporting.terminal.status_view import list_view, status_view
from intelligen.state import layout
from intelligen.state.sweep_files import SweepFiles

INTERRUPTED = 130


@click.command()
@sweep_argument(required=False)
@runs_option
@json_option
def status(sweep: str | None, runs: Path, as_json: bool) -> None:
    """Show the progress of SWEEP, or list all sweeps.

    SWEEP is a name or a sweep file. Prints trials by state, the best score and the cost of each strategy, the time
    left, and the launcher. Takes no lock.
    """
    if sweep is None:
        _list(runs.absolute(), as_json=as_json)
        return
    found = read_status(SweepFiles(find_sweep(runs.absolute(), sweep)))
    if as_json:
        print_document(found.document())
    else:
        people_console().print(status_view(found), soft_wrap=True)


@click.command()
@sweep_argument(required=False)
@runs_option
@click.option("--interval", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between updates.")
@click.option("--once", is_flag=True, help="Show the progress once, and exit.")
@json_option
def watch(sweep: str | None, runs: Path, interval: float, once: bool, as_json: bool) -> int:
    """Show the progress of SWEEP until it no longer runs.

    With --json it waits and then prints the last status. Without SWEEP it lists all sweeps.
    """
    if sweep is None:
        refuse_given("interval", why="without SWEEP the sweeps are listed once; name a sweep")
        _list(runs.absolute(), as_json=as_json)
        return 0
    files = SweepFiles(find_sweep(runs.absolute(), sweep))
    console = people_console(stderr=as_json)
    found = read_status(files)
    try:
        # On a terminal it is drawn in place; in a pipe only its last state is printed.
        with Live(status_view(found), console=console, auto_refresh=False, transient=as_json) as live:
            while found.state is SweepState.RUNNING and not once:
                time.sleep(interval)
                found = read_status(files)
                live.update(status_view(found), refresh=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    if as_json:
        print_document(found.document())
    return 0


@click.command()
@sweep_argument(required=False)
@trial_argument
@runs_option
@click.option("-f", "--follow", is_flag=True, help="Follow the logs until the trials have ended.")
@click.option("-n", "--lines", type=click.IntRange(1), help="The last N lines of each log; all by default.")
@json_option
def logs(sweep: str | None, trial: str | None, runs: Path, follow: bool, lines: int | None, as_json: bool) -> int:
    """Show the logs of SWEEP's trials, or of one TRIAL.

    TRIAL is a name such as t0003 or baseline-1, or a row of the sweep's table, which means all its trials;
    SWEEP/TRIAL or a trial's directory names both, and so does t0003 if only one sweep has it. Without TRIAL, shows
    the trials that are running, or the last one. Without SWEEP, lists the sweeps.
    """
    if follow and as_json:
        raise click.UsageError("--follow has no end, so there is no document: leave out --json")
    if sweep is None:
        refuse_given("follow", "lines", why="without SWEEP the sweeps are listed; name a sweep")
        _list(runs.absolute(), as_json=as_json)
        return 0
    store = store_naming(runs.absolute(), sweep)
    sweep, trial = named_in(store, sweep, trial)
    found = TrialLogs(SweepFiles(find_sweep(store, sweep)), trial)
    if as_json:
        print_document(found.document(lines))
        return 0
    try:
        for line in found.lines(last=lines):
            click.echo(printable(line))
        going_on = follow
        while going_on:
            time.sleep(0.5)
            going_on = found.under_way()  # asked first: what was written until then is in the next lines
            for line in found.lines():
                click.echo(printable(line))
    except KeyboardInterrupt:
        return INTERRUPTED
    for line in (*found.beginnings(), *found.endings()):
        click.echo(printable(line))
    return 0


def _list(store: Path, *, as_json: bool) -> None:
    """All sweeps; one that cannot be read says why, and hides no other."""
    statuses: list[Status] = []
    problems: dict[str, str] = {}
    for name in layout.sweep_names(layout.sweeps(store)):
        try:
            statuses.append(read_status(SweepFiles(layout.sweep(store, name))))
        except IntelligenError as error:
            problems[name] = str(error)
    if as_json:
        unreadable: list[dict[str, Any]] = [{"name": name, "error": error} for name, error in problems.items()]
        sweeps = [found.document() for found in statuses]
        print_document({"format": 1, "runs": str(store), "sweeps": sweeps, "unreadable": unreadable})
        return
    if statuses:
        people_console().print(list_view(statuses))
    elif not problems:
        click.echo(f"no sweep in {layout.sweeps(store)} yet; start one: intelligen run FILE")
    for problem in problems.values():
        click.echo(f"warning: {problem}", err=True)
