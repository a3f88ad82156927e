"""Live progress of a sweep, from its files: a table on a terminal, lines in a pipe."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.strategy_table import best_value
from intelligen.config.metric_direction import best
from intelligen.errors import StorageError
from intelligen.state.history import INITIAL_WEIGHTS, Report
from intelligen.state.sweep_files import STATES, SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.training.report_line import report_line

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric

SHOWN_TRIALS = 12


class LiveProgress:
    """Follows a sweep directory on a thread of its own, between `__enter__` and `__exit__`.

    Args:
        directory: The sweep's.
        objective: The metric whose best is shown.
        metrics: Of the task, shown of each epoch.
        console: Where to.
        interval_s: Between two looks.

    """

    def __init__(
        self,
        directory: Path,
        *,
        objective: str,
        metrics: "Sequence[AnyMetric]",
        console: Console,
        interval_s: float = 1.0,
    ) -> None:
        self._files = SweepFiles(directory)
        self._objective = objective
        self._compared = ComparedRows()
        self._metrics = metrics
        self._console = console
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._shown: dict[str, int] = {}
        self._shown_starts: set[str] = set()
        self._shown_ends: set[str] = set()
        self._best: float | None = None
        self._problem = ""
        self._live = Live(console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> "LiveProgress":
        fingerprint, trials, _ = self._files.ledger()
        self._compared = ComparedRows.recorded(fingerprint)
        # What earlier launches did is known already.
        for record in trials.values():
            self._shown[record.id] = len(self._files.reports(record))
            if self._shown[record.id]:
                self._shown_starts.add(record.id)
            if record.state is not TrialState.RUNNING:
                self._shown_ends.add(record.id)
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        if self._live is not None:
            self._live.stop()

    def _follow(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        try:
            trials = self._files.ledger()[1]
            histories = {name: self._files.reports(record) for name, record in trials.items()}
        except (OSError, StorageError) as error:
            if str(error) != self._problem:
                self._say(f"progress: {error}")
            self._problem = str(error)
            return
        # As everywhere: what a trial measured before it failed is no result.
        counted = [name for name, r in trials.items() if r.kind == "trial" and r.state is not TrialState.FAILED]
        values = [best_value(histories[name], self._objective) for name in counted]
        self._best = best(self._objective, (value for value in values if value is not None), value=float)
        self._print_starts(trials, histories)
        if self._live is not None:
            self._live.update(self._table(trials, histories))
        else:
            self._print_news(trials, histories)

    def _print_starts(self, trials: dict[str, TrialRecord], histories: dict[str, list[Report]]) -> None:
        """Say once of each trial which weights it began with, where these were not random."""
        for name, record in trials.items():
            if histories[name] and name not in self._shown_starts:
                self._shown_starts.add(name)
                if line := histories[name][0].tags.get(INITIAL_WEIGHTS):
                    self._say(f"{record.title}  starts from {line}")

    def _print_news(self, trials: dict[str, TrialRecord], histories: dict[str, list[Report]]) -> None:
        for name, record in trials.items():
            for report in histories[name][self._shown.get(name, 0) :]:
                best = "" if self._best is None else f"  best {self._objective} so far {self._best:.2f}"
                self._say(f"{record.title}  {report_line(report, self._metrics)}{best}")
            self._shown[name] = len(histories[name])
            if record.state is TrialState.RUNNING:
                self._shown_ends.discard(name)
            elif name not in self._shown_ends:
                self._shown_ends.add(name)
                self._say(f"{record.title}  {record.state}: {record.stop_reason}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _table(self, trials: dict[str, TrialRecord], histories: dict[str, list[Report]]) -> Table:
        counts = Counter(self._files.state(record) for record in trials.values())
        title = "  ".join(f"{count} {state}" for state in STATES if (count := counts[state]))
        if self._best is not None:
            title += f"  best {self._objective} {self._best:.2f}"
        table = Table(title=title, title_justify="left")
        for heading in ("trial", self._compared.heading, "state", "epoch", self._objective, "best", "epoch time"):
            table.add_column(
                heading, justify="right" if heading not in ("trial", self._compared.heading, "state") else "left"
            )
        for name, record in list(trials.items())[-SHOWN_TRIALS:]:
            last = histories[name][-1] if histories[name] else None
            best = best_value(histories[name], self._objective)
            value = None if last is None else last.metrics.get(self._objective)
            table.add_row(
                name,
                self._compared.label(record.row),
                self._files.state(record),
                "" if last is None else str(last.epoch),
                "" if value is None else f"{value:.2f}",
                "" if best is None else f"{best:.2f}",
                "" if last is None else f"{last.metrics['time/epoch_s']:.1f} s",
            )
        return table
