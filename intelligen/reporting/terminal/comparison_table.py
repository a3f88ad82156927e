"""Table that compares several sweeps in a terminal."""

from collections.abc import Sequence

from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.comparison_page import page_comparison_table as page_table
from intelligen.reporting.terminal.fitting_table import Column, FittingTable

_ALWAYS = 3
"""Sweep, row and score."""
_COSTS = ("epoch time", "device-hours")
# All columns of the page would not fit.
_LEFT_OUT = ("effect size", "avg memory", "max memory")


def comparison_table(compared: Sequence[Compared]) -> FittingTable:
    """The most telling columns of the page's table; a narrow terminal leaves out costs first, then the last columns."""
    whole = page_table(compared)
    shown = [column for column, heading in enumerate(whole.headings) if not heading.endswith(_LEFT_OUT)]
    columns = []
    for place, column in enumerate(shown):
        heading = whole.headings[column]
        rank = 0 if place < _ALWAYS else len(shown) + place if heading.startswith(_COSTS) else place
        columns.append(Column(heading, all(row[column].is_number for row in whole.rows), rank))
    rows = [[f"{row[column].text}\n{row[column].below}".strip() for column in shown] for row in whole.rows]
    return FittingTable(columns, rows, title=whole.caption, rest="the HTML file has them")
