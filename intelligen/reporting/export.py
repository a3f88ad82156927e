"""Exports of results: CSV in full; LaTeX and Markdown for papers."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from intelligen.analysis.leaderboard import safe_cell
from intelligen.tasks.base import AnyMetric

Record = Mapping[str, Any]
"""Column → value; None where nothing is known."""

_WHICH = {
    "sweep": ("sweep", "{}"),
    "strategy": ("strategy", "{}"),
    "test_set": ("test set", "{}"),
    "search": ("search", "{}"),
}
_EFFORT = {
    "p_holm": ("p (Holm)", "{:.4f}"),
    "effect_size": ("effect size", "{:.2f}"),
    "seeds": ("seeds", "{}"),
    "seeds_needed": ("seeds needed", "{}"),
    "epoch_s": ("epoch (s)", "{:.1f}"),
    "memory_avg_mib": ("avg memory (MiB)", "{:.0f}"),
    "memory_peak_mib": ("max memory (MiB)", "{:.0f}"),
    "device_hours": ("device-hours", "{:.3g}"),
}
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


def to_markdown(records: Sequence[Record], metrics: Sequence[AnyMetric]) -> str:
    """The columns that people read.

    Args:
        records: The rows.
        metrics: Of their scores; the first one ranks.

    """
    headings, rows, words = _readable(records, metrics)
    lines = [headings, ["---"] * words + ["---:"] * (len(headings) - words)]
    lines += [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(records: Sequence[Record], metrics: Sequence[AnyMetric]) -> str:
    """The same as a `tabular` for the package booktabs."""
    headings, rows, words = _readable(records, metrics)
    columns = "l" * words + "r" * (len(headings) - words)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_line(headings), r"\midrule"]
    lines += [_latex_line(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def latex_escaped(text: str) -> str:
    """Text whose signs LaTeX prints rather than obeys."""
    return _LATEX_SIGNS.sub(lambda found: _LATEX[found[0]], text)


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_escaped, cells)) + r" \\"


def _forms(metrics: Sequence[AnyMetric]) -> dict[str, tuple[str, str]]:
    """Column → its heading and its form, of those that people read."""
    ranking, *further = metrics
    name, form = ranking.name, ranking.format
    return {
        **_WHICH,
        name: (ranking.title, f"{{:{form}}} [{{{name}_low:{form}}}, {{{name}_high:{form}}}]"),
        **{other.name: (other.title, f"{{:{other.format}}}") for other in further},
        "delta": ("difference", f"{{:+{form}}} [{{delta_low:{form}}}, {{delta_high:{form}}}]"),
        **_EFFORT,
        f"{name}_per_device_hour": (f"{ranking.label} per device-hour", "{:.1f}"),
    }


def _readable(records: Sequence[Record], metrics: Sequence[AnyMetric]) -> tuple[list[str], list[list[str]], int]:
    """Headings and rows without the columns of which nothing is known, and how many of these are words."""
    known = {name for record in records for name, value in record.items() if value is not None}
    shown = {name: form for name, form in _forms(metrics).items() if name in known}
    rows = [
        ["–" if record.get(name) is None else form.format(record[name], **record) for name, (_, form) in shown.items()]
        for record in records
    ]
    return [heading for heading, _ in shown.values()], rows, sum(name in _WHICH for name in shown)
