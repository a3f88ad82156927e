"""Progress of a sweep in a notebook: a bar and a table of its latest trials, from its files, brought up to date."""

import threading
from html import escape
from pathlib import Path
from types import TracebackType

from intelligen.analysis.eta import eta_words
from intelligen.analysis.html_blocks import html_lines, html_table
from intelligen.analysis.status import Status, read_status
from intelligen.analysis.trial_listing import ListedTrial, list_trials
from intelligen.config.experiment_lines import settings_words
from intelligen.errors import ChangedError, StorageError
from intelligen.reporting.notebook.place import Place, Show, show_in_cell
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import SHARED

SHOWN_TRIALS = 12


class NotebookProgress:
    """Follows a sweep's directory on a thread of its own, between `__enter__` and `__exit__`.

    Args:
        directory: The sweep's.
        show: Where to.
        interval_s: Between two looks.

    """

    def __init__(self, directory: Path, *, show: Show = show_in_cell, interval_s: float = 2.0) -> None:
        self._files = SweepFiles(directory)
        self._show = show
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._place: Place | None = None
        self._shown = ""

    def __enter__(self) -> "NotebookProgress":
        # Shown by the cell's own thread; the other one only updates it.
        self._shown = self._looked()
        self._place = self._show(self._shown)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._update()

    def _follow(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._update()

    def _update(self) -> None:
        if self._place is not None and (html := self._looked()) != self._shown:
            self._shown = html
            self._place.update(html)

    def _looked(self) -> str:
        try:
            return progress_html(self._files)
        except (OSError, StorageError, ChangedError) as error:
            return html_lines([f"progress: {error}"])


def progress_html(files: SweepFiles) -> str:
    """The bar, and the table of the trials that began last.

    Raises:
        StorageError: The sweep's files are damaged.
        ChangedError: Another version wrote them.

    """
    status = read_status(files)
    trials = list_trials(files, order="started").trials[-SHOWN_TRIALS:]
    headings = ["trial", status.words.compared.word, "settings", "state", "epochs", status.objective]
    return _bar(status) + html_table(headings, [_cells(status, one) for one in trials])


def _bar(status: Status) -> str:
    done = status.ended + status.confirmations_ended
    due = None if status.budget_trials is None else status.budget_trials + status.confirmations
    parts = [f"{done} trials have ended" if due is None else f"{done} of {due} trials"]
    if status.eta is not None:
        parts.append(eta_words(status.eta))
    full = "" if due is None else f" max='{max(due, 1)}' value='{done}'"
    words = f"<b>{escape(status.name)}</b>: {escape(', '.join(parts))}"
    return f"<p>{words}<br><progress style='width:100%'{full}></progress></p>"


def _cells(status: Status, one: ListedTrial) -> list[object]:
    record = one.record
    settings = "" if record.kind in SHARED else settings_words(one.settings)
    value = "" if one.value is None else status.words.text(status.objective, one.value)
    return [record.id, status.words.compared.label(record.table_row), settings, one.state, one.epochs, value]
