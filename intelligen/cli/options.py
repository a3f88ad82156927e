"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
        help="Change a setting of the file, such as -o training.epochs=3. May be given several times.",
    )(command)


def runs_option(command: Command) -> Command:
    """`--runs DIR`."""
    return click.option(
        "--runs",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        envvar="INTELLIGEN_RUNS",
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
    command = click.option("--beam-size", type=click.IntRange(1, 256), help="Prefixes that a beam search keeps.")(
        command
    )
    return click.option(
        "--search",
        type=click.Choice(["greedy", "beam", "sample"]),
        help="How hypotheses are searched for; the experiment's test search where not given.",
    )(command)
