"""Live progress of a sweep, from its files: a table on a terminal, lines in a pipe."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from intelligen.analysis.best_settings import SweepSettings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.early_stop_words import compared_with
from intelligen.analysis.eta import eta_words
from intelligen.analysis.status import read_status
from intelligen.analysis.strategy_table import best_value
from intelligen.config.metric_direction import best
from intelligen.errors import ChangedError, StorageError
from intelligen.reporting.terminal.fitting_table import Column, FittingTable
from intelligen.state.history import INITIAL_WEIGHTS, Report
from intelligen.state.sweep_files import STATES, SweepFiles
from intelligen.state.trial_records import SHARED, TrialRecord, TrialState
from intelligen.training.report_line import memory_words, report_line

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
        self._shown_begins: set[str] = set()
        self._shown_starts: set[str] = set()
        self._shown_ends: set[str] = set()
        self._best: tuple[float, str] | None = None
        self._settings: SweepSettings | None = None
        self._words: dict[str, str] = {}
        self._seen = self._left_of = (0, 0)
        """Epochs and ends: the last look's, and those of the words below."""
        self._left_words = ""
        self._problem = ""
        self._live = Live(console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> "LiveProgress":
        fingerprint, trials, _ = self._files.ledger()
        self._compared = ComparedRows.recorded(fingerprint)
        self._settings = SweepSettings.recorded(self._files) if "sweep" in fingerprint else None
        # What earlier launches did is known already.
        for record in trials.values():
            self._shown[record.id] = len(self._files.reports(record))
            self._shown_begins.add(record.id)
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
        ended = sum(record.state is not TrialState.RUNNING for record in trials.values())
        self._seen = sum(map(len, histories.values())), ended
        # As everywhere: what a trial measured before it failed is no result.
        counted = [name for name, r in trials.items() if r.kind == "trial" and r.state is not TrialState.FAILED]
        found = [(best_value(histories[name], self._objective), name) for name in counted]
        values = [(value, name) for value, name in found if value is not None]
        self._best = best(self._objective, values, value=lambda pair: pair[0])
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
            if name not in self._shown_begins:
                self._shown_begins.add(name)
                self._say(f"{record.title}  begins{self._place(record, trials)}{self._of(record, ': ')}")
            for report in histories[name][self._shown.get(name, 0) :]:
                searched = self._best_words() if record.kind == "trial" else ""
                self._say(f"{record.title}  {report_line(report, self._metrics)}{searched}{self._of(record)}")
            self._shown[name] = len(histories[name])
            if record.state is TrialState.RUNNING:
                self._shown_ends.discard(name)
            elif name not in self._shown_ends:
                self._shown_ends.add(name)
                self._say(f"{record.title}  {'  '.join(self._end(record, trials, histories))}")

    def _end(
        self, record: TrialRecord, trials: dict[str, TrialRecord], histories: dict[str, list[Report]]
    ) -> Iterator[str]:
        """How a trial ended, what it was compared with, its memory, and how far the sweep is."""
        yield f"{record.state}: {record.stop_reason}"
        if self._settings is not None and (others := compared_with(record, trials, histories, self._settings.sweep)):
            yield others
        if memory := memory_words(histories[record.id]):
            yield memory
        if record.kind not in SHARED and (left := self._left()):
            yield left

    def _left(self) -> str:
        """`3 of 8 trials ended, 2 min to 4 min left`; empty where the sweep's settings are not known."""
        if self._settings is None:
            return ""
        if self._left_of != self._seen:
            with suppress(OSError, StorageError, ChangedError):  # the next look says what it is
                status = read_status(self._files)
                left = "" if status.eta is None else f", {eta_words(status.eta)} left"
                repeats = status.confirmations and any(status.confirmed.values())
                again = f" and {status.confirmations_ended} of {status.confirmations} confirmations" if repeats else ""
                counted = f"{status.ended_words} trials{again}"
                self._left_of, self._left_words = self._seen, f"{counted} ended{left}"
        return self._left_words

    def _place(self, record: TrialRecord, trials: dict[str, TrialRecord]) -> str:
        """`, trial 3 of 8`; empty of what the search did not suggest, or where trials have no bound."""
        total = None if self._settings is None else self._settings.sweep.total_trials()
        if total is None or not record.suggested:
            return ""
        return f", trial {[name for name, one in trials.items() if one.suggested].index(record.id) + 1} of {total}"

    def _of(self, record: TrialRecord, before: str = "") -> str:
        """A trial's settings in few words; a baseline's are the experiment's."""
        if self._settings is None or record.kind in SHARED:
            return ""
        if record.id not in self._words:
            self._words[record.id] = self._settings.words(record)
        words = self._words[record.id]
        return "" if not words else f"{before}{words}" if before else f"  [{words}]"

    def _best_words(self) -> str:
        return "" if self._best is None else f"  best {self._objective} so far {self._best[0]:.2f} ({self._best[1]})"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _table(self, trials: dict[str, TrialRecord], histories: dict[str, list[Report]]) -> FittingTable:
        counts = Counter(self._files.state(record) for record in trials.values())
        parts = [self._left(), *(f"{count} {state}" for state in STATES if (count := counts[state]))]
        title = "  ".join(filter(None, parts)) + self._best_words()
        words, numbers = ("trial", self._compared.heading, "state"), ("epoch", self._objective, "best")
        columns = [
            *map(Column, words),
            *(Column(name, is_number=True) for name in numbers),
            Column("epoch time", is_number=True, rank=2),
            Column("settings", rank=1),
        ]
        rows = []
        for name, record in list(trials.items())[-SHOWN_TRIALS:]:
            last = histories[name][-1] if histories[name] else None
            best = best_value(histories[name], self._objective)
            value = None if last is None else last.metrics.get(self._objective)
            rows.append(
                [
                    name,
                    self._compared.label(record.row),
                    self._files.state(record),
                    "" if last is None else str(last.epoch),
                    "" if value is None else f"{value:.2f}",
                    "" if best is None else f"{best:.2f}",
                    "" if last is None else f"{last.metrics['time/epoch_s']:.1f} s",
                    self._of(record, " ").strip(),
                ]
            )
        return FittingTable(columns, rows, title=title, rest="status --json has them")
