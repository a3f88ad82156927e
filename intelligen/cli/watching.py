"""status, watch, logs: what a sweep does and has done, read from its files; nothing is locked or written."""

import time
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from intelligen import layout
from intelligen.cli.options import json_option, refuse_given, runs_option, sweep_argument
from intelligen.cli.output import print_document
from intelligen.errors import IntelligenError
from intelligen.reporting.output import people_console, printable
from intelligen.reporting.standing import Standing, SweepState, stand
from intelligen.reporting.standing_view import list_view, standing_view
from intelligen.reporting.sweeps import find_sweep, sweep_and_trial
from intelligen.reporting.trial_logs import TrialLogs
from intelligen.tracking.sweep_files import SweepFiles

INTERRUPTED = 130


@click.command()
@sweep_argument(required=False)
@runs_option
@json_option
def status(sweep: str | None, runs: Path, as_json: bool) -> None:
    """Say where SWEEP stands, or list all sweeps.

    SWEEP is a name or a sweep file. Trials by state, the best so far and the spend of each strategy, what is left,
    and who runs it. Takes no lock.
    """
    if sweep is None:
        _list(runs.absolute(), as_json=as_json)
        return
    standing = stand(SweepFiles(find_sweep(runs.absolute(), sweep)))
    if as_json:
        print_document(standing.document())
    else:
        people_console().print(standing_view(standing), soft_wrap=True)


@click.command()
@sweep_argument(required=False)
@runs_option
@click.option("--interval", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Look once.")
@json_option
def watch(sweep: str | None, runs: Path, interval: float, once: bool, as_json: bool) -> int:
    """Show where SWEEP stands until it no longer runs.

    With --json it waits and then prints the last standing. Without SWEEP it lists all sweeps.
    """
    if sweep is None:
        refuse_given("interval", why="without SWEEP the sweeps are listed once; name a sweep")
        _list(runs.absolute(), as_json=as_json)
        return 0
    files = SweepFiles(find_sweep(runs.absolute(), sweep))
    console = people_console(stderr=as_json)
    standing = stand(files)
    try:
        # On a terminal it is drawn in place; in a pipe only its last state is printed.
        with Live(standing_view(standing), console=console, auto_refresh=False, transient=as_json) as live:
            while standing.state is SweepState.RUNNING and not once:
                time.sleep(interval)
                standing = stand(files)
                live.update(standing_view(standing), refresh=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    if as_json:
        print_document(standing.document())
    return 0


@click.command()
@sweep_argument(required=False)
@click.argument("trial", required=False)
@runs_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the trials have ended.")
@click.option("-n", "--lines", type=click.IntRange(1), help="The last N lines of each log; all where not given.")
@json_option
def logs(sweep: str | None, trial: str | None, runs: Path, follow: bool, lines: int | None, as_json: bool) -> int:
    """Show the log of a TRIAL of SWEEP.

    Such as t0003 or baseline-1; SWEEP/TRIAL names both. Without TRIAL, of those under way, or of the last one.
    Without SWEEP, the sweeps are listed.
    """
    if follow and as_json:
        raise click.UsageError("--follow has no end, so there is no document: leave out --json")
    if sweep is None:
        refuse_given("follow", "lines", why="without SWEEP the sweeps are listed; name a sweep")
        _list(runs.absolute(), as_json=as_json)
        return 0
    sweep, trial = sweep_and_trial(sweep, trial)
    found = TrialLogs(SweepFiles(find_sweep(runs.absolute(), sweep)), trial)
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
    for line in found.endings():
        click.echo(printable(line))
    return 0


def _list(store: Path, *, as_json: bool) -> None:
    """All sweeps; one that cannot be read says why, and hides no other."""
    standings: list[Standing] = []
    problems: dict[str, str] = {}
    for name in layout.sweep_names(layout.sweeps(store)):
        try:
            standings.append(stand(SweepFiles(layout.sweep(store, name))))
        except IntelligenError as error:
            problems[name] = str(error)
    if as_json:
        unreadable: list[dict[str, Any]] = [{"name": name, "error": error} for name, error in problems.items()]
        sweeps = [standing.document() for standing in standings]
        print_document({"format": 1, "runs": str(store), "sweeps": sweeps, "unreadable": unreadable})
        return
    if standings:
        people_console().print(list_view(standings))
    elif not problems:
        click.echo(f"no sweep in {layout.sweeps(store)} yet: intelligen run FILE makes one")
    for problem in problems.values():
        click.echo(f"warning: {problem}", err=True)
