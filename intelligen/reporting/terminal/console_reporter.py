"""Reporter of a launch on a terminal or in a log: lines, progress, table, report."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from intelligen.analysis.best_settings import markdown_settings, settings_block
from intelligen.analysis.sweep_results import SweepResults
from intelligen.reporting.export import to_markdown
from intelligen.reporting.terminal.live_progress import LiveProgress
from intelligen.reporting.terminal.pareto_table import markdown_front, rich_front
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.reporting.terminal.results_table import (
    markdown_beam_curve,
    markdown_table,
    markdown_verdicts,
    rich_table,
)

if TYPE_CHECKING:
    from intelligen.analysis.study import StudyResults
    from intelligen.data.preparation import OnProgress
    from intelligen.tasks.base import AnyMetric


class ConsoleReporter:
    """Tells a console of a launch."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Print a whole line, in which brackets are no markup."""
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def counting(self) -> "AbstractContextManager[OnProgress]":
        """Show the progress of a preparation on standard error."""
        return counting()

    def following(
        self, directory: Path, *, objective: str, metrics: "Sequence[AnyMetric]"
    ) -> AbstractContextManager[object]:
        """Show meanwhile how a sweep's trials get on: a live table on a terminal, plain lines in a pipe."""
        return LiveProgress(directory, objective=objective, metrics=metrics, console=self._console)

    def table(self, results: SweepResults) -> str:
        """Return the table, then the Pareto front, in Markdown."""
        words = results.words
        table = markdown_table(results.rows, objective=results.metrics[0], scores=results.scores, words=words)
        notes = "".join(f"\n{note}\n" for note in results.notes)
        details = f"\n{to_markdown(results.records, results.reported, words.compared)}" if results.records else ""
        verdicts = markdown_verdicts(results.verdicts, words) + markdown_beam_curve(results.beam_curve, words)
        front = markdown_front(results.front, metrics=results.metrics, words=words)
        return table + verdicts + markdown_settings(results.best, results.settings_use) + details + notes + front

    def show(self, results: SweepResults) -> None:
        """Print the table, the settings of the best trials and the Pareto front, as far as there are any."""
        if results.rows:
            objective, scores, words = results.metrics[0], results.scores, results.words
            table = rich_table(results.rows, title=results.title, objective=objective, scores=scores, words=words)
            self._console.print(table)
        for line in settings_block(results.best, results.settings_use):
            self.say(line)
        for note in results.notes:
            self.say(f"note     {note}")
        if results.front:
            self._console.print(rich_front(results.front, metrics=results.metrics, words=results.words))

    def write_report(self, directory: Path, *, store: Path, study: "StudyResults | None") -> Path:
        """Write the page."""
        from intelligen.reporting.html.write_report import write_report  # draws figures, which only the end needs

        return write_report(directory, store=store, study=study)
