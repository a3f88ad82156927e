"""Progress bars on a terminal, plain lines in a pipe."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from intelligen.reporting.terminal.console_output import people_console
from intelligen.state.history import Report
from intelligen.training.report_line import memory_words, report_line

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric


class TrainingProgress:
    """A bar of updates on a terminal; everywhere a line per epoch, and the memory at the end."""

    def __init__(self, metrics: "Sequence[AnyMetric]", *, stderr: bool = False) -> None:
        self._metrics = metrics
        self._reports: list[Report] = []
        self._console = people_console(stderr=stderr)
        self._bar = Progress(
            TextColumn("updates"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("updates", total=None)

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._reports:
            self.noted(memory_words(self._reports))

    def updated(self, update: int, total: int) -> None:
        """An update was made."""
        self._bar.update(self._task, completed=update, total=total)

    def report(self, report: Report) -> None:
        """An epoch has ended."""
        self._reports.append(report)
        self.noted(report_line(report, self._metrics))

    def noted(self, line: str) -> None:
        """There is a line to print."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def counting(*, interval_s: float = 10.0) -> Iterator[Callable[[str, int], None]]:
    """Hears how many lines each step of a preparation has done, and shows them on standard error.

    On a terminal they are counted in place. In a pipe there is a line whenever so many seconds have passed.
    """
    console = people_console(stderr=True)
    if not console.is_terminal:
        yield _PlainCount(console, interval_s).heard
        return
    with Progress(
        TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} lines"), console=console, transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(step: str, lines: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=None)
            bar.update(tasks[step], completed=lines)

        yield on_progress


class _PlainCount:
    """Steps and their lines, for a log."""

    def __init__(self, console: Console, interval_s: float) -> None:
        self._console = console
        self._interval_s = interval_s
        self._printed_s = time.monotonic()

    def heard(self, step: str, lines: int) -> None:
        """Print a line where it is time for one."""
        now = time.monotonic()
        if now - self._printed_s < self._interval_s:
            return
        self._printed_s = now
        self._console.print(f"{step}: {lines:,} lines", markup=False, highlight=False, soft_wrap=True)
