"""trials: every trial of a sweep with its settings, scores, state and cost; nothing is locked or written."""

from collections.abc import Iterator
from pathlib import Path

import click

from intelligen.analysis.find_sweep import find_sweep
from intelligen.analysis.sweep_results import TableWords
from intelligen.analysis.trial_listing import ORDERS, ListedTrial, TrialListing, list_trials
from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, runs_option, sweep_argument
from intelligen.cli.written_files import FILE, STANDARD_OUTPUT, write_text
from intelligen.errors import ConfigError
from intelligen.reporting.terminal.console_output import people_console
from intelligen.reporting.terminal.fitting_table import Column, FittingTable
from intelligen.state.sweep_files import SweepFiles


@click.command()
@sweep_argument()
@click.option(
    "--sort",
    type=click.Choice(list(ORDERS)),
    default="score",
    show_default=True,
    help="Order: the best, the dearest or the longest first; started = as they were started.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@runs_option
@click.option("--csv", "csv_file", type=FILE, help="Write every setting and score as CSV; `-` is standard output.")
@json_option
def trials(sweep: str, sort: str, reverse: bool, runs: Path, csv_file: Path | None, as_json: bool) -> None:
    """List the trials of SWEEP with their settings, scores, state and cost.

    Baselines and confirmations are listed too, by score below the trials of the search. Takes no lock. `intelligen
    status SWEEP` prints the settings of the best trials as lines of an experiment file.
    """
    if as_json and csv_file == STANDARD_OUTPUT:
        raise ConfigError("--csv -: --json goes to standard output too; name a file")
    files = SweepFiles(find_sweep(runs.absolute(), sweep))
    found = list_trials(files, order=sort, reverse=reverse)
    if csv_file is not None:
        _write_csv(found, csv_file)
    if as_json:
        print_document(found.document())
    elif csv_file is None:
        people_console().print(_table(found))
    elif csv_file != STANDARD_OUTPUT:
        click.echo(f"written  {csv_file}")


def _write_csv(found: TrialListing, path: Path) -> None:
    from intelligen.analysis.data_frame import trial_records
    from intelligen.reporting.export import to_csv

    records = {one["trial"]: one for one in trial_records(Path(found.directory))}
    write_text(path, to_csv([records[one.record.id] for one in found.trials if one.record.id in records]))


def _table(found: TrialListing) -> FittingTable:
    words = TableWords(found.compared)
    tested = found.shown
    columns = [
        Column("trial"),
        Column("kind", rank=1),
        *map(Column, words.headings),
        Column("state"),
        Column(found.objective, is_number=True),
        *(Column(name, is_number=True, rank=2) for name in tested),
        Column("epochs", is_number=True, rank=4),
        Column("device-s", is_number=True, rank=3),
        Column("settings"),
    ]
    rows = [list(_cells(one, found, words, tested)) for one in found.trials]
    return FittingTable(columns, rows, rest="--csv and --json have them", lined=False)


def _cells(one: ListedTrial, found: TrialListing, words: TableWords, tested: list[str]) -> Iterator[str]:
    record = one.record
    yield record.id
    yield record.kind
    yield from words.place(record.table_row)
    yield one.state
    yield "" if one.value is None else words.text(found.objective, one.value)
    for name in tested:
        yield words.text(name, record.scores[name]) if name in record.scores else ""
    yield str(one.epochs)
    yield f"{one.device_s:,.0f}"
    yield one.words.replace(", ", ",\n")
