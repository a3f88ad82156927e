"""All trials of a sweep with their settings, scores, states and costs, in an order that people choose."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intelligen.analysis.best_settings import SweepSettings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.status import runner
from intelligen.analysis.strategy_table import USABLE, device_seconds, selected_scores
from intelligen.config.metric_direction import merit
from intelligen.config.schema.tasks import task_settings
from intelligen.state.redaction import redact_text
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState


@dataclass(frozen=True)
class ListedTrial:
    """One trial."""

    record: TrialRecord
    state: str
    """`interrupted` where its sweep does not run, so that nothing works on it."""
    value: float | None
    """The objective of its selected weights, or of its best epoch so far; none where it failed."""
    epochs: int
    device_s: float
    settings: Mapping[str, Any]
    """What an experiment file says beside the sweep's own to train it."""
    words: str
    """What tells it from the others."""


@dataclass(frozen=True)
class TrialListing:
    """The trials of one sweep."""

    name: str
    directory: str
    objective: str
    reported: Sequence[str]
    """The scores of a test set that tables show: `bleu`."""
    compared: ComparedRows
    trials: Sequence[ListedTrial]

    @property
    def shown(self) -> list[str]:
        """The test scores that a table shows, the first test set's before the others'."""
        names = dict.fromkeys(name for one in self.trials for name in one.record.scores)
        found = [name for name in names if name.partition("/")[2] in self.reported]
        return sorted(found, key=lambda name: not name.startswith("test/"))

    def document(self) -> dict[str, Any]:
        """As JSON; the keys are documented in docs/commands.md."""
        return {
            "format": 1,
            "name": self.name,
            "directory": self.directory,
            "objective": self.objective,
            "trials": [self._documented(one) for one in self.trials],
        }

    def _documented(self, one: ListedTrial) -> dict[str, Any]:
        record = one.record
        reason = None if record.stop_reason is None else redact_text(record.stop_reason)
        fields = {"trial": record.id, "kind": record.kind, "strategy": record.row, "seed": record.seed}
        return {
            **self.compared.documented(fields),
            "state": one.state,
            "stop_reason": reason,
            "value": one.value,
            "scores": dict(record.scores),
            "epochs": one.epochs,
            "device_s": one.device_s,
            "settings": dict(one.settings),
        }


def list_trials(files: SweepFiles, *, order: str, reverse: bool = False) -> TrialListing:
    """Read the trials of a sweep.

    Args:
        files: The sweep's.
        order: One of `ORDERS`.
        reverse: The other way round. By score, trials of the search come before repetitions and baselines all the
            same, and what has no score is the last.

    Raises:
        StorageError: Its files are damaged.

    """
    fingerprint, trials, _ = files.ledger()
    metric, settings = fingerprint["sweep"]["objective"]["metric"], SweepSettings.read(files)
    runs = runner(files) is not None
    listed = [_listed(files, record, metric, settings, runs=runs) for record in trials.values()]
    key = ORDERS[order]
    listed.sort(key=lambda one: key(one, metric))
    if reverse:
        listed.reverse()
    if order == "score":
        # Repetitions and baselines have other seeds and epochs: their scores are not those that the search compares.
        listed.sort(key=lambda one: (one.value is None, one.record.kind != "trial"))
    compared = ComparedRows.recorded(fingerprint)
    reported = task_settings(fingerprint["experiment"]).reported_scores
    return TrialListing(files.directory.name, str(files.directory), metric, reported, compared, listed)


def _listed(files: SweepFiles, record: TrialRecord, metric: str, settings: SweepSettings, *, runs: bool) -> ListedTrial:
    reports, state = files.reports(record), files.state(record)
    counts = record.state in USABLE or state != "failed"
    value = selected_scores(files.result(record), reports, metric).get(metric) if counts else None
    return ListedTrial(
        record,
        state if runs or state != TrialState.RUNNING else "interrupted",
        value,
        len(reports),
        device_seconds(reports),
        settings.of(record),
        settings.words(record),
    )


def _by_score(one: ListedTrial, metric: str) -> float:
    return float("inf") if one.value is None else -merit(metric, one.value)


ORDERS: Mapping[str, Callable[[ListedTrial, str], Any]] = {
    "score": _by_score,
    "started": lambda one, metric: 0,  # as they are
    "cost": lambda one, metric: -one.device_s,
    "epochs": lambda one, metric: -one.epochs,
    "strategy": lambda one, metric: (one.record.row, _by_score(one, metric)),
    "state": lambda one, metric: (one.state, _by_score(one, metric)),
}
"""Name → what trials are sorted by: the best, the dearest and the longest come first."""
