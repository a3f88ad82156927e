"""Progress: rich bars on a terminal, plain lines in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from intelligen.reporting.live import report_line
from intelligen.training.history import Report


class TrainingProgress:
    """A bar of updates on a terminal, and a line per epoch everywhere."""

    def __init__(self) -> None:
        self._console = Console()
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

    def updated(self, update: int, total: int) -> None:
        """An update was made."""
        self._bar.update(self._task, completed=update, total=total)

    def report(self, report: Report) -> None:
        """An epoch has ended."""
        self._console.print(report_line(report), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def counting() -> Iterator[Callable[[str, int], None]]:
    """Hears how many lines each step of a preparation has done; shows them on a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} lines"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        tasks: dict[str, int] = {}

        def on_progress(step: str, lines: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=None)
            bar.update(tasks[step], completed=lines)  # type: ignore[arg-type] # TaskID is an int

        yield on_progress
