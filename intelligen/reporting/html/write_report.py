"""Writes the report of a sweep, whole or not at all; the same files make the same report."""

from dataclasses import replace
from pathlib import Path

from intelligen.analysis.conclusion import answer
from intelligen.analysis.result_rows import costs_of, primary, result_rows
from intelligen.analysis.so_far import as_of_now
from intelligen.analysis.study import BASELINE, StudyResults, read_study
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.figures import Figure
from intelligen.reporting.html.page import Heading, render
from intelligen.reporting.html.page_sections import study_sections
from intelligen.reporting.html.plot_styles import marks
from intelligen.state.atomic_files import write_atomically
from intelligen.state.layout import REPORT_FILE
from intelligen.state.mlflow_run_ids import read_run_ids

__all__ = ["REPORT_FILE", "read_compared", "report_figures", "study_page", "write_report"]


def write_report(directory: Path, *, store: Path, study: StudyResults | None = None) -> Path:
    """Write `report.html` into a sweep's directory.

    Args:
        directory: The sweep's.
        store: The runs directory, which holds the prepared data.
        study: The sweep, where it has been read already; its runs in MLflow may be newer.

    Raises:
        StorageError: Its files, or the prepared data, are damaged or gone, or the disk is full.
        ChangedError: Another version wrote them.
        CannotCreateError: The page may not be written.

    """
    path = directory / REPORT_FILE
    if study is None:
        one = read_compared(directory, store=store)
    else:
        one = _compared(replace(study, runs=read_run_ids(directory)))
    write_atomically(path, study_page(one))
    return path


def read_compared(directory: Path, *, store: Path) -> Compared:
    """A sweep with its results and its answer; arguments and errors as of `write_report`."""
    one = _compared(read_study(directory, store=store))
    return replace(one, answer=as_of_now(one.study, one.answer))


def _compared(study: StudyResults) -> Compared:
    rows = result_rows(study)
    scores = [row.score for row in primary(study, rows)]
    return Compared(study, rows, answer(study, scores, costs_of(rows)))


def report_figures(one: Compared) -> list[Figure]:
    """Every figure of a sweep's report."""
    sections = study_sections(one.study, one.rows, marks(one.study.strategies))
    return [figure for section in sections for figure in section.figures]


def study_page(one: Compared) -> str:
    """The report of one sweep."""
    study, drawn = one.study, marks(one.study.strategies)
    trained = {BASELINE} if any(member.record.kind == "baseline" for member in study.members) else set()
    named = {study.label(name): mark for name, mark in drawn.items() if name in trained or name != BASELINE}
    heading = Heading("Report of a sweep", study.sweep.name, study.sweep.question)
    return render(heading, {"": one.answer}, study_sections(study, one.rows, drawn), named)
