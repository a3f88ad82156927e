"""reproduce: a finished trial is run again from its manifest, and every number is compared with the first."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, runs_option, sweep_argument, trial_argument
from intelligen.reporting.terminal.console_output import people_console
from intelligen.reporting.terminal.fitting_table import Column, FittingTable
from intelligen.reporting.terminal.progress_bars import TrainingProgress
from intelligen.sweep.replay_directory import trial_directory

if TYPE_CHECKING:
    from intelligen.training.replay import Recorded, Replay
    from intelligen.training.replay_diff import ReplayDiff, Value

INTERRUPTED, DIFFERS, DIFFERS_ELSEWHERE = 130, 3, 78
_ALWAYS_SHOWN = ("train/loss", "valid/loss", "selected", "weights", "hypotheses/")
"""Beside the metrics of the task."""
_WIDEST_WORD = 44


@click.command()
@sweep_argument()
@trial_argument
@runs_option
@json_option
def reproduce(sweep: str, trial: str | None, runs: Path, as_json: bool) -> int:
    """Train TRIAL of SWEEP again from its manifest, and compare the results.

    SWEEP/TRIAL names both. Without TRIAL, SWEEP may be a trial's directory. Every epoch, the weights and the hypotheses
    must be the same, bit for bit except on a GPU. Warnings name changes of data, code, libraries or processor. Exit
    code 0: the same; 3: it differs; 78: it differs, but the environment has changed; 69: it cannot be replayed.
    """
    from intelligen.training.replay import Recorded, new_directory

    found = Recorded.read(trial_directory(runs.absolute(), sweep, trial), store=runs.absolute())
    _warn(found.changes)
    if found.inexact is not None:
        click.echo(f"warning: compared approximately: {found.inexact}", err=True)
    try:
        result = _replayed(found, new_directory(runs.absolute(), found.directory), stderr=as_json)
    except KeyboardInterrupt:
        click.echo("interrupted: a replay cannot be resumed; run it again", err=True)
        return INTERRUPTED
    _warn(result.recorded.changes[len(found.changes) :])
    code = _exit_code(result)
    if as_json:
        print_document({**_document(result), "exit_code": code})
    else:
        _show(result)
    return code


def _warn(changes: "Sequence[str]") -> None:
    for change in changes:
        click.echo(f"warning: changed: {change}", err=True)


def _replayed(recorded: "Recorded", into: Path, *, stderr: bool) -> "Replay":
    """Replay a trial, with its progress on a terminal and a line per epoch everywhere."""
    from intelligen.tasks import build_task
    from intelligen.training.replay import replay

    with TrainingProgress(build_task(recorded.trial.task).metrics, stderr=stderr) as progress:
        return replay(recorded, into, report=progress.report, updated=progress.updated)


def _exit_code(replay: "Replay") -> int:
    """What differs under other circumstances says nothing of the trial."""
    if replay.identical:
        return 0
    return DIFFERS_ELSEWHERE if replay.recorded.changes else DIFFERS


def _document(replay: "Replay") -> dict[str, Any]:
    """As JSON; the keys are documented in docs/commands.md."""
    recorded = replay.recorded
    return {
        "format": 1,
        "trial": str(recorded.directory),
        "replay": str(replay.directory),
        "epochs": recorded.epochs,
        "exact": recorded.inexact is None,
        "changed": list(recorded.changes),
        "identical": replay.identical,
        "diverged": replay.diverged,
        "comparisons": [asdict(one) for one in replay.comparisons],
    }


def _show(replay: "Replay") -> None:
    recorded, console = replay.recorded, people_console()
    console.print(_table(replay.comparisons, shown=_shown(recorded)))
    click.echo(f"trial    {recorded.directory}")
    click.echo(f"replay   {replay.directory}")
    if replay.diverged is not None:
        click.echo(f"ended    {replay.diverged}")
    click.echo(_outcome(replay))


def _outcome(replay: "Replay") -> str:
    epochs = f"{replay.recorded.epochs} epoch{'s' * (replay.recorded.epochs > 1)}"
    if not replay.identical:
        differing = ", ".join(one.key for one in replay.comparisons if one.agrees is False)
        why = "; the environment differs too, see the warnings" if replay.recorded.changes else ""
        return f"differs  after {epochs}: {differing}{why}"
    within = "within the tolerance" if replay.recorded.inexact else "bit for bit"
    return f"same     {epochs}, {within}"


def _shown(recorded: "Recorded") -> tuple[str, ...]:
    """How what people look for begins."""
    from intelligen.tasks import build_task

    metrics = build_task(recorded.trial.task).metrics
    return (*(f"valid/{metric.name}" for metric in metrics), *_ALWAYS_SHOWN)


def _table(comparisons: "Sequence[ReplayDiff]", *, shown: tuple[str, ...]) -> FittingTable:
    """What differs, what people look for, and how many other measures agree."""
    rows, further = [], 0
    for one in comparisons:
        if one.agrees and not one.key.startswith(shown):
            further += 1
            continue
        outcome = {True: "same", False: "differs", None: "not judged"}[one.agrees]
        where = "" if one.epoch is None else f"\nfrom epoch {one.epoch} on"
        rows.append([one.key, _words(one.recorded), _words(one.replayed), outcome + where])
    if further:
        rows.append([f"{further} more metrics", "", "", "same"])
    columns = [Column(name) for name in ("compared", "recorded", "replayed", "verdict")]
    return FittingTable(columns, rows, lined=False)


def _words(value: "Value") -> str:
    """All digits of a number, since one bit may be what differs; the beginning of a long word."""
    if value is None:
        return "–"
    return value[:_WIDEST_WORD] if isinstance(value, str) else repr(value)
