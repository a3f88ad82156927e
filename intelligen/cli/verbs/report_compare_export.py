"""report, compare, export: results of sweeps, from their files alone; nothing is locked, trained or decoded."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intelligen.analysis.find_sweep import find_sweep
from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, runs_option, sweep_argument
from intelligen.cli.written_files import FILE, STANDARD_OUTPUT, write_text
from intelligen.errors import ConfigError, UnavailableError
from intelligen.reporting.terminal.console_output import people_console

if TYPE_CHECKING:
    from intelligen.reporting.html.comparison_page import Compared

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@sweep_argument()
@runs_option
@click.option("--output", type=FILE, help="The HTML file; report.html in the sweep's directory by default.")
@json_option
def report(sweep: str, runs: Path, output: Path | None, as_json: bool) -> None:
    """Write the report of SWEEP: one HTML file that opens anywhere, offline.

    A launch writes it at its end. This verb writes it again, also while the sweep runs.
    """
    from intelligen.analysis.conclusion import answer_lines
    from intelligen.reporting.html.write_report import REPORT_FILE, study_page

    one = _read([sweep], runs)[0]
    path = output or one.study.directory / REPORT_FILE
    write_text(path, study_page(one))
    document = _document(one)
    if as_json:
        print_document({**document, "report": str(path.absolute())})
        return
    for line in document["data"]:
        click.echo(f"data     {line}")
    click.echo(f"report   {path}")
    for line in answer_lines(one.answer):
        click.echo(line)


@click.command()
@click.argument("sweeps", nargs=-1, required=True, metavar="SWEEP SWEEP…")
@runs_option
@click.option("--output", type=FILE, default=Path("comparison.html"), show_default=True, help="The HTML file.")
@json_option
def compare(sweeps: tuple[str, ...], runs: Path, output: Path, as_json: bool) -> None:
    """Put several sweeps into one table and one HTML file.

    Each sweep is compared with its own control. A warning says where data, test sets, metrics or signatures differ.
    """
    from intelligen.reporting.html.comparison_page import comparison_page, incomparable
    from intelligen.reporting.terminal.comparison_table import comparison_table

    if len(set(sweeps)) < 2:
        raise ConfigError("compare: name at least two sweeps; for one sweep use intelligen report SWEEP")
    compared = _read(list(dict.fromkeys(sweeps)), runs)
    write_text(output, comparison_page(compared))
    warnings = incomparable(compared)
    if as_json:
        found = [_document(one) for one in compared]
        print_document({"format": 1, "sweeps": found, "incomparable": warnings, "report": str(output.absolute())})
        return
    people_console().print(comparison_table(compared))
    for line in warnings:
        click.echo(f"warning: do not compare: {line}", err=True)
    click.echo(f"report   {output}")


@click.command()
@sweep_argument()
@runs_option
@click.option("--csv", "csv_file", type=FILE, help="Every number, in full.")
@click.option("--trials", "trials_file", type=FILE, help="Every trial with its parameters and scores, as CSV.")
@click.option("--latex", "latex_file", type=FILE, help="A tabular that uses the package booktabs.")
@click.option("--markdown", "markdown_file", type=FILE, help="A table.")
@click.option("--figures", "figures_folder", type=_FOLDER, help="A folder for the report's figures as SVG and PNG.")
@json_option
def export(
    sweep: str,
    runs: Path,
    csv_file: Path | None,
    trials_file: Path | None,
    latex_file: Path | None,
    markdown_file: Path | None,
    figures_folder: Path | None,
    as_json: bool,
) -> None:
    """Export the results of SWEEP as CSV, LaTeX, Markdown, JSON or figures.

    There is a row per strategy or variant, test set and search; of --trials a row per trial. --json prints the rows;
    the other options write files. The FILE `-` is standard output.
    """
    from intelligen.analysis.best_settings import markdown_settings
    from intelligen.analysis.data_frame import trial_records
    from intelligen.analysis.status import read_status
    from intelligen.reporting.export import to_csv, to_latex, to_markdown
    from intelligen.reporting.readable_columns import Record
    from intelligen.state.sweep_files import SweepFiles

    if not (csv_file or trials_file or latex_file or markdown_file or figures_folder or as_json):
        raise ConfigError(
            "export: no output given: use --csv FILE, --trials FILE, --latex FILE, --markdown FILE, --figures DIR or"
            " --json"
        )
    if as_json + [csv_file, trials_file, latex_file, markdown_file].count(STANDARD_OUTPUT) > 1:
        raise ConfigError("export: only one format can go to standard output; name files for the others")
    one = _read([sweep], runs)[0]
    if (csv_file or latex_file or markdown_file) and not one.records:
        ended = read_status(SweepFiles(one.study.directory)).ended_words
        raise UnavailableError(f"export: nothing is scored yet ({ended} trials have ended)")
    metrics, compared = one.study.task.reported, one.study.compared
    best = markdown_settings(one.best, one.how_to_use)
    forms: list[tuple[Path | None, Callable[[list[Record]], str]]] = [
        (csv_file, to_csv),
        (trials_file, lambda rows: to_csv(trial_records(one.study.directory))),
        (latex_file, lambda rows: to_latex(rows, metrics, compared)),
        (markdown_file, lambda rows: to_markdown(rows, metrics, compared) + best),
    ]
    wanted = [(path, form) for path, form in forms if path is not None]
    records: list[Record] = [*one.records]
    for path, form in wanted:
        write_text(path, form(records))
        if not as_json and path != STANDARD_OUTPUT:
            click.echo(f"written  {path}", err=any(other == STANDARD_OUTPUT for other, _ in wanted))
    drawn = [] if figures_folder is None else _draw(one, figures_folder)
    if drawn and not as_json:
        onto_error = any(path == STANDARD_OUTPUT for path, _ in wanted)
        click.echo(f"written  {len(drawn)} files of figures into {figures_folder}", err=onto_error)
    if as_json:
        print_document(
            {**_document(one), "files": [str(path.absolute()) for path in (*(path for path, _ in wanted), *drawn)]}
        )


def _draw(one: "Compared", folder: Path) -> list[Path]:
    from intelligen.reporting.html.write_report import report_figures
    from intelligen.reporting.static_figures import write_figures

    return write_figures(report_figures(one), folder)


def _read(sweeps: list[str], runs: Path) -> "list[Compared]":
    from intelligen.reporting.html.write_report import read_compared

    store = runs.absolute()
    return [read_compared(find_sweep(store, sweep), store=store) for sweep in sweeps]


def _document(one: "Compared") -> dict[str, Any]:
    """As documented in docs/report.md."""
    from intelligen.data.data_summary import shared_rows

    return {
        "format": 1,
        "name": one.name,
        "question": one.study.sweep.question,
        "answer": one.answer.sentence,
        "ranked": not one.answer.refusals,
        "refusals": list(one.answer.refusals),
        "next": [asdict(step) for step in one.answer.steps],
        "notes": list(one.answer.notes),
        "primary": list(one.study.primary),
        "metric": one.study.task.ranking.name,
        "data": shared_rows(one.study.data) if one.study.data else [],
        "rows": one.records,
    }
