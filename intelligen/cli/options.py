"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from intelligen.addresses import DEFAULT_RUNS, LOCAL_VARIABLE, RUNS_VARIABLE, TRACKING_VARIABLE, runs_directory
from intelligen.cli import shell_completion
from intelligen.config.schema.stages_after_search import STAGES, SearchName
from intelligen.errors import ConfigError

Command = Callable[..., Any]


def experiment_argument(command: Command) -> Command:
    """EXPERIMENT, an experiment file."""
    return click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT")(command)


def override_option(command: Command) -> Command:
    """`-o key=value`, any number of times."""
    return click.option(
        "-o",
        "--override",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=shell_completion.settings,
        help="Change a setting: -o seed=2, or in a sweep file -o experiment.seed=2. May be given several times.",
    )(command)


def runs_option(command: Command) -> Command:
    """`--runs DIR`."""
    return click.option(
        "--runs",
        type=click.Path(file_okay=False),
        callback=lambda context, parameter, given: runs_directory(given),
        default=DEFAULT_RUNS,
        show_default=True,
        envvar=RUNS_VARIABLE,
        help="Where prepared data, baselines, trials and sweeps are kept.",
    )(command)


def device_option(command: Command) -> Command:
    """`--device NAME`."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        help="cpu, cuda, cuda:1, …; auto = the first GPU, else the CPU.",
    )(command)


def search_options(command: Command) -> Command:
    """`--search NAME --beam-size N`."""
    command = click.option("--beam-size", type=click.IntRange(1, 256), help="Prefixes kept by beam search.")(command)
    return click.option(
        "--search",
        type=click.Choice(get_args(SearchName)),
        help="Search for hypotheses; the experiment's test search by default.",
    )(command)


def sweep_argument(*, required: bool = True) -> Callable[[Command], Command]:
    """SWEEP, the name of a sweep that has been started, or its file."""
    return click.argument("sweep", required=required, shell_complete=shell_completion.sweeps)


def trial_argument(command: Command) -> Command:
    """TRIAL beside SWEEP."""
    return click.argument("trial", required=False, shell_complete=shell_completion.trials)(command)


def local_option(command: Command) -> Command:
    """`--local`."""
    return click.option(
        "--local",
        is_flag=True,
        envvar=LOCAL_VARIABLE,
        help="Run on this machine, even if RAY_ADDRESS names a Ray cluster or one runs here.",
    )(command)


def tracking_option(command: Command) -> Command:
    """`--tracking-uri URI`."""
    return click.option(
        "--tracking-uri",
        envvar=TRACKING_VARIABLE,
        help="MLflow store; by default mlflow.db in the working directory.",
    )(command)


def last_tracking_option(command: Command) -> Command:
    """`--tracking-uri URI` of a sweep that was launched before; the environment is not asked, since that launch was."""
    return click.option("--tracking-uri", help="MLflow store; by default that of the last launch.")(command)


def until_option(command: Command) -> Command:
    """`--until STAGE`."""
    return click.option(
        "--until",
        type=click.Choice(STAGES),
        default=STAGES[-1],
        show_default=True,
        help="End this launch after this stage.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")(command)


def refuse_given(*names: str, why: str) -> None:
    """Refuse options that were given on the command line and would not be used.

    Raises:
        ConfigError: One does.

    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"--{name}: {why}")
