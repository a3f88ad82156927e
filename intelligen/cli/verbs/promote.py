"""promote: a sweep's best model becomes a version of a registered MLflow model."""

import re
from dataclasses import asdict
from pathlib import Path

import click

from intelligen.addresses import tracking_address
from intelligen.analysis.find_sweep import find_sweep, named_in
from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, last_tracking_option, runs_option, sweep_argument
from intelligen.cli.shell_completion import trials
from intelligen.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# MLflow takes `latest` and `v1` for its own names of versions.
_ALIAS = re.compile(r"(?!(?:latest|v\d+)$)[\w-]{1,255}", re.ASCII | re.IGNORECASE)


@click.command()
@sweep_argument()
@click.option(
    "--trial",
    "trial_id",
    shell_complete=trials,
    help="The trial; by default the best of the strategy that is shown to win.",
)
@click.option("--name", "model_name", help="Name of the registered model; the sweep's name by default.")
@click.option("--alias", default="champion", show_default=True, help="Alias that moves to the new version.")
@runs_option
@last_tracking_option
@json_option
def promote(
    sweep: str,
    trial_id: str | None,
    model_name: str | None,
    alias: str,
    runs: Path,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Register the best model of SWEEP in the MLflow store of its last launch.

    The same weights are registered only once. SWEEP/TRIAL promotes that trial. Without a trial, a sweep that shows no
    winner promotes none (exit code 69).

    `mlflow.pyfunc.load_model("models:/NAME@ALIAS").predict(["…"])` translates as `intelligen inference` does.
    """
    from intelligen.sweep.launch_request import tracked_at

    sweep, trial_id = named_in(runs.absolute(), sweep, trial_id)
    directory = find_sweep(runs.absolute(), sweep)
    name = model_name or directory.name
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name: {name!r} is not a valid model name: use letters, digits, dots, - and _, at most 64")
    if not _ALIAS.fullmatch(alias):
        raise ConfigError(
            f"--alias: {alias!r} is not a valid alias: use letters, digits, - and _, but neither `latest` nor `v1`"
        )
    uri = tracking_address(tracking_uri) if tracking_uri else tracked_at(directory)

    from intelligen.tracking.model_registry import best_ranked, named_trial, register

    record = best_ranked(directory, store=runs.absolute()) if trial_id is None else named_trial(directory, trial_id)
    promoted = register(record, directory=directory, tracking_uri=uri, name=name, alias=alias)
    if as_json:
        print_document({"format": 1, **asdict(promoted)})
        return
    click.echo(f"model    {promoted.name} version {promoted.version}, alias {promoted.alias}")
    click.echo(f"trial    {promoted.trial} ({record.row})")
    click.echo(f"uri      {promoted.uri}")
    click.echo(f"store    {promoted.store}")
