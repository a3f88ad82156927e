"""Table of the Pareto front of a sweep with several objectives."""

from collections.abc import Sequence

from rich.table import Table

from intelligen.analysis.leaderboard import markdown_cell
from intelligen.analysis.sweep_results import Front, TableWords

_WORDS = TableWords()
TITLE = "Pareto front: no other finished trial is better in every objective"


def rich_front(front: Front, *, metrics: Sequence[str], words: TableWords = _WORDS) -> Table:
    """For a terminal or a log."""
    table = Table(title=TITLE, title_justify="left")
    for index, heading in enumerate(_headings(metrics, words)):
        table.add_column(heading, justify="left" if index < 2 else "right")
    for row in _rows(front, words):
        table.add_row(*row)
    return table


def markdown_front(front: Front, *, metrics: Sequence[str], words: TableWords = _WORDS) -> str:
    """For the tracking run and for documents; empty where there is no front."""
    if not front:
        return ""
    lines = [_headings(metrics, words), ["---", "---", *["---:"] * len(metrics)], *_rows(front, words)]
    return f"\n{TITLE}.\n\n" + "".join("| " + " | ".join(map(markdown_cell, line)) + " |\n" for line in lines)


def _headings(metrics: Sequence[str], words: TableWords) -> list[str]:
    return ["trial", words.compared.heading, *metrics]


def _rows(front: Front, words: TableWords) -> list[list[str]]:
    return [
        [record.id, words.compared.label(record.row), *(f"{value:,.2f}" for value in values)]
        for record, values in front
    ]
