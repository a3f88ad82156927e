"""Completion in a shell: sweeps, trials, strategies and keys of settings; nothing is opened but ledgers."""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from intelligen.addresses import DEFAULT_RUNS, RUNS_VARIABLE
from intelligen.state import layout

_OF_SWEEPS = ("run", "resume", "extend", "plan")
"""Verbs whose `-o` is of a sweep file."""


def sweeps(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The sweeps of the runs directory; behind `SWEEP/` its trials."""
    names = layout.sweep_names(layout.sweeps(_runs(context)))
    if "/" not in incomplete:
        return [name for name in names if name.startswith(incomplete)]
    sweep = incomplete.partition("/")[0]
    return [one for name in _trials(context, sweep) if (one := f"{sweep}/{name}").startswith(incomplete)]


def trials(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The trials of the sweep before it."""
    # Before the value of an option is typed, click has not read the arguments.
    sweep = context.params.get("sweep") or next(iter(context.args), "")
    return [name for name in _trials(context, sweep) if name.startswith(incomplete)]


def models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`SWEEP/TRIAL`; files too, which the shell knows itself."""
    names = layout.sweep_names(layout.sweeps(_runs(context)))
    every = [f"{sweep}/{name}" for sweep in names for name in _trials(context, sweep)]
    found = [CompletionItem(one) for one in every if one.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")]


def strategies(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The strategies, and their short names."""
    from intelligen.config.schema.strategies import ALIASES, STRATEGIES

    return [name for name in (*STRATEGIES.names(), *ALIASES) if name.startswith(incomplete)]


def settings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Keys of the verb's file, group by group: `finetuning.`, `finetuning.epochs=`."""
    from intelligen.config.schema.experiment import Experiment
    from intelligen.config.schema.setting_names import settings_that_begin
    from intelligen.config.schema.sweep import Sweep

    if context.info_name not in _OF_SWEEPS:
        return settings_that_begin(Experiment, incomplete)
    group, dot, rest = incomplete.partition(".")
    if group == "experiment" and dot:
        return [f"experiment.{key}" for key in settings_that_begin(Experiment, rest)]
    inner = ["experiment."] if "experiment.".startswith(incomplete) else []
    return [*settings_that_begin(Sweep, incomplete), *inner]


def _runs(context: click.Context) -> Path:
    return Path(context.params.get("runs") or os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS))


def _trials(context: click.Context, sweep: str) -> list[str]:
    """The trials in a sweep's ledger; none where it cannot be read."""
    from intelligen.errors import IntelligenError
    from intelligen.state.sweep_files import SweepFiles

    directory = layout.sweep(_runs(context), sweep) if sweep else None
    if directory is None or not directory.is_dir():
        return []
    try:
        return list(SweepFiles(directory).ledger()[1])
    except IntelligenError:
        return []
