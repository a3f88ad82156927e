"""Reporter of a launch in a notebook: plain lines, a live table, and the results as HTML."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from intelligen.analysis.best_settings import settings_block
from intelligen.analysis.html_blocks import html_code, html_lines, html_table
from intelligen.analysis.sweep_results import SweepResults
from intelligen.reporting.notebook.place import Show, show_in_cell
from intelligen.reporting.notebook.sweep_progress import NotebookProgress
from intelligen.reporting.terminal.console_reporter import ConsoleReporter
from intelligen.reporting.terminal.results_table import cells, headings

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric


class NotebookReporter(ConsoleReporter):
    """Shows a launch in the cell that runs it."""

    def __init__(self, console: Console, *, show: Show = show_in_cell) -> None:
        super().__init__(console)
        self._place = show

    def say(self, line: str) -> None:
        """Print a whole line, which the notebook wraps."""
        print(line)

    def following(self, directory: Path, *, objective: str, metrics: "Sequence[AnyMetric]") -> NotebookProgress:
        """Show meanwhile how a sweep's trials get on."""
        return NotebookProgress(directory, show=self._place)

    def show(self, results: SweepResults) -> None:
        """Show the table and the settings of the best trials, as far as there are any."""
        objective, scores, words = results.metrics[0], results.scores, results.words
        if results.rows:
            titles = headings(results.rows, objective=objective, scores=scores, words=words)
            texts = [cells(row, results.rows, objective=objective, scores=scores, words=words) for row in results.rows]
            self._place(html_table(titles, texts, caption=results.title))
        self._place(
            html_code("\n".join(settings_block(results.best, results.settings_use))) + html_lines(results.notes)
        )
