"""Table that compares several sweeps in a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.comparison_page import page_comparison_table as page_table

# All columns of the page would not fit.
_LEFT_OUT = ("effect size", "avg memory", "max memory")


def comparison_table(compared: Sequence[Compared]) -> Table:
    """The most telling columns of the page's table."""
    whole = page_table(compared)
    table = Table(title=Text(whole.caption), title_justify="left")
    shown = [column for column, heading in enumerate(whole.headings) if not heading.endswith(_LEFT_OUT)]
    for column in shown:
        is_number = all(row[column].is_number for row in whole.rows)
        table.add_column(Text(whole.headings[column]), justify="right" if is_number else "left")
    for row in whole.rows:
        table.add_row(*(Text(f"{row[column].text} {row[column].below}".strip()) for column in shown))
    return table
