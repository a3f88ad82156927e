"""Exports of results: CSV in full; LaTeX and Markdown for papers."""

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.leaderboard import safe_cell
from intelligen.reporting.readable_columns import Record, notes_below, readable_columns

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_LATEX_SIGNS = re.compile("|".join(map(re.escape, _LATEX)))


def to_csv(records: Sequence[Record]) -> str:
    """All columns, numbers in full; no text in it is a spreadsheet's formula."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        values = [record.get(column) for column in columns]
        writer.writerow(["" if value is None else safe_cell(value) for value in values])
    return file.getvalue()


def to_markdown(records: Sequence[Record], metrics: "Sequence[AnyMetric]", compared: ComparedRows | None = None) -> str:
    """The columns that people read.

    Args:
        records: The rows.
        metrics: Of their scores; the first one ranks.
        compared: What the rows are; strategies where not given.

    """
    compared = compared or ComparedRows()
    columns = readable_columns(records, metrics, compared)
    lines = [[column.heading for column in columns], ["---" if column.is_word else "---:" for column in columns]]
    lines += [[column.text(record).replace("|", "\\|").replace("\n", " ") for column in columns] for record in records]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "".join(f"\n{note}\n" for note in notes_below(records, metrics, compared))


def to_latex(records: Sequence[Record], metrics: "Sequence[AnyMetric]", compared: ComparedRows | None = None) -> str:
    """The same as a `tabular` for the package booktabs."""
    compared = compared or ComparedRows()
    columns = readable_columns(records, metrics, compared)
    places = "".join("l" if column.is_word else "r" for column in columns)
    headings = _latex_line([column.heading for column in columns])
    lines = [rf"\begin{{tabular}}{{{places}}}", r"\toprule", headings, r"\midrule"]
    lines += [_latex_line([column.text(record) for column in columns]) for record in records]
    lines.append(r"\bottomrule")
    for note in map(latex_escaped, notes_below(records, metrics, compared)):
        lines.append(rf"\multicolumn{{{len(columns)}}}{{p{{\linewidth}}}}{{\footnotesize {note}}} \\")
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def latex_escaped(text: str) -> str:
    """Text whose signs LaTeX prints rather than obeys."""
    return _LATEX_SIGNS.sub(lambda found: _LATEX[found[0]], text)


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_escaped, cells)) + r" \\"
