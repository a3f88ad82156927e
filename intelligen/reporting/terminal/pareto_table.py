"""Table of the Pareto front of a sweep with several objectives."""

from collections.abc import Sequence

from intelligen.analysis.leaderboard import markdown_cell
from intelligen.analysis.sweep_results import Front, TableWords
from intelligen.reporting.terminal.fitting_table import Column, FittingTable

_WORDS = TableWords()
TITLE = "Pareto front: no other finished trial is better in every objective"


def rich_front(front: Front, *, metrics: Sequence[str], words: TableWords = _WORDS) -> FittingTable:
    """For a terminal or a log."""
    columns = [Column(heading, number >= 2) for number, heading in enumerate(_headings(metrics, words))]
    return FittingTable(columns, _rows(front, words), title=TITLE)


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
