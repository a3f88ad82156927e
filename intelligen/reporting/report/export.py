"""The results for other programs and for papers: CSV has every digit, LaTeX and Markdown what people read."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from intelligen.tracking.standings import harmless

Record = Mapping[str, Any]
"""Column → value; None where nothing is known."""

_READ = {
    "strategy": ("strategy", "{}"),
    "test_set": ("test set", "{}"),
    "search": ("search", "{}"),
    "bleu": ("BLEU", "{:.2f} [{bleu_low:.2f}, {bleu_high:.2f}]"),
    "delta": ("difference", "{:+.2f} [{delta_low:.2f}, {delta_high:.2f}]"),
    "p_holm": ("p (Holm)", "{:.4f}"),
    "effect_size": ("effect size", "{:.2f}"),
    "seeds": ("seeds", "{}"),
    "seeds_needed": ("seeds needed", "{}"),
    "epoch_s": ("epoch (s)", "{:.1f}"),
    "memory_avg_mib": ("avg memory (MiB)", "{:.0f}"),
    "memory_peak_mib": ("max memory (MiB)", "{:.0f}"),
    "device_hours": ("device-hours", "{:.3g}"),
    "bleu_per_device_hour": ("BLEU per device-hour", "{:.1f}"),
}
_TEXT_COLUMNS = ("strategy", "test_set", "search")
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
        writer.writerow(["" if value is None else harmless(value) for value in values])
    return file.getvalue()


def to_markdown(records: Sequence[Record]) -> str:
    """The columns that people read."""
    headings, rows = _readable(records)
    words = len(_text(records))
    lines = [headings, ["---"] * words + ["---:"] * (len(headings) - words)]
    lines += [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(records: Sequence[Record]) -> str:
    """The same as a `tabular` for the package booktabs."""
    headings, rows = _readable(records)
    words = len(_text(records))
    columns = "l" * words + "r" * (len(headings) - words)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_line(headings), r"\midrule"]
    lines += [_latex_line(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def latex_escaped(text: str) -> str:
    """Text whose signs LaTeX prints rather than obeys."""
    return _LATEX_SIGNS.sub(lambda found: _LATEX[found[0]], text)


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_escaped, cells)) + r" \\"


def _shown(records: Sequence[Record]) -> list[str]:
    """Columns that people read, without those of which nothing is known; `sweep` first where there are several."""
    known = {name for record in records for name, value in record.items() if value is not None}
    return [name for name in ("sweep", *_READ) if name in known]


def _text(records: Sequence[Record]) -> list[str]:
    return [name for name in _shown(records) if name in ("sweep", *_TEXT_COLUMNS)]


def _readable(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    shown = _shown(records)
    forms = {"sweep": ("sweep", "{}"), **_READ}
    rows = [
        ["–" if record.get(name) is None else forms[name][1].format(record[name], **record) for name in shown]
        for record in records
    ]
    return [forms[name][0] for name in shown], rows
