"""Table that fits its terminal: cells take more lines, then columns are left out; no text is ever cut."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_HEADING_BREAK = re.compile(r"(?<=/)| ")
_LINED, _PLAIN = 3, 2
"""Characters beside a column's text: two spaces and a line, or the gap to the next column."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    heading: str
    is_number: bool = False
    rank: int = 0
    """Where the terminal is too narrow, the column with the highest rank is left out first; 0 = none is."""


@dataclass(frozen=True)
class FittingTable:
    """A table for a terminal or a log of any width.

    A line break in a cell is where it may be broken; where there is room it is a space. What does not fit even so
    is written as a list: a heading for each row, a line for each of its columns.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    rest: str = "make the terminal wider to see them"
    """Where the columns are that were left out."""
    lined: bool = True
    """Whether there are lines around it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints; its title, headings and cells hold no markup."""
        if self.title:
            yield Text(self.title, style="italic", overflow="fold")
        forms = self._narrower()
        shown, fitted = next((one for one in forms if one[1].width <= options.max_width), (None, None))
        if fitted is None:
            yield from self._as_list()
        else:
            yield fitted._table()
        left_out = [] if shown is None else [one.heading for n, one in enumerate(self.columns) if n not in shown]
        notes = [f"Not shown: {', '.join(left_out)}; {self.rest}."] if left_out else []
        if text := " ".join([*notes, self.caption] if self.caption else notes):
            yield Text(text, style="dim", overflow="fold")

    @property
    def width(self) -> int:
        """Characters that its longest lines take."""
        beside = len(self.columns) * (_LINED if self.lined else _PLAIN)
        return beside + self.lined + sum(self._widths())

    def _widths(self) -> Iterator[int]:
        for number, column in enumerate(self.columns):
            texts = [column.heading, *(row[number] for row in self.rows)]
            yield max(cell_len(line) for text in texts for line in text.split("\n"))

    def _narrower(self) -> "Iterator[tuple[Sequence[int], FittingTable]]":
        """The columns that are shown, and the table: one line per row, several lines, ever fewer columns."""
        shown = list(range(len(self.columns)))
        flat = [[cell.replace("\n", " ") for cell in row] for row in self.rows]
        yield shown, replace(self, rows=flat)
        yield shown, replace(self._of(shown), rows=flat)
        yield shown, self._of(shown)
        for number in sorted(shown, key=lambda number: -self.columns[number].rank):
            if self.columns[number].rank:
                shown = [one for one in shown if one != number]
                yield shown, self._of(shown)

    def _of(self, shown: Sequence[int]) -> "FittingTable":
        columns = [self.columns[number] for number in shown]
        broken = [replace(one, heading=_HEADING_BREAK.sub("\n", one.heading)) for one in columns]
        return replace(self, columns=broken, rows=[[row[number] for number in shown] for row in self.rows])

    def _table(self) -> Table:
        table = Table(box=HEAVY_HEAD if self.lined else None, pad_edge=self.lined, header_style="bold")
        for column in self.columns:
            table.add_column(Text(column.heading), justify="right" if column.is_number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def _as_list(self) -> Iterator[Text | Padding]:
        widest = max(cell_len(column.heading) for column in self.columns[1:])
        for name, *cells in self.rows:
            yield Text(name, style="bold", overflow="fold")
            for column, cell in zip(self.columns[1:], cells, strict=True):
                text = cell.replace("\n", " ")
                yield Padding(Text(f"{column.heading:<{widest}}  {text}", overflow="fold"), (0, 0, 0, 2))
