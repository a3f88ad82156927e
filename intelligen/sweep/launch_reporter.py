"""Reporter interface: how a launch shows its progress and results; the sweep itself knows no terminal."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intelligen.analysis.sweep_results import SweepResults
from intelligen.data.preparation import OnProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from intelligen.analysis.study import StudyResults
    from intelligen.tasks.base import AnyMetric


class Reporter(Protocol):
    """Shows a launch to people, and makes its table and its report."""

    def say(self, line: str) -> None:
        """Show one whole line."""

    def counting(self) -> AbstractContextManager[OnProgress]:
        """Return what shows the progress of data preparation."""

    def following(
        self, directory: Path, *, objective: str, metrics: "Sequence[AnyMetric]"
    ) -> AbstractContextManager[object]:
        """Meanwhile, show the progress of a sweep's trials, from the files in its directory."""

    def table(self, results: SweepResults) -> str:
        """Return the results in Markdown."""

    def show(self, results: SweepResults) -> None:
        """Show the results."""

    def write_report(self, directory: Path, *, store: Path, study: "StudyResults | None") -> Path:
        """Write the report of a sweep, which is read where it is not given, into its directory; returns where."""
