"""Budget account: what a sweep has spent, summed from its trials' histories, over all launches."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from intelligen.analysis.strategy_table import device_seconds
from intelligen.config.schema.budget import Budget
from intelligen.config.schema.replicates import Replicate
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.tasks import task_settings
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialRecord, TrialState

HOUR_S = 3600.0
_HOPELESS_TRIALS = 10

Spent = Callable[[str | None], str | None]
"""Row, or None for the sweep as a whole → why no budget is left for another epoch, or None while there is."""


@dataclass(frozen=True)
class UsedUp:
    """A bound of the budget that is reached."""

    key: str
    """Of the budget: `device_hours`."""
    most: float
    used: float
    counted: str = "target tokens"
    """What the task's losses are summed over."""

    @property
    def reason(self) -> str:
        """`the budget of 2 device-hours per strategy is spent`"""
        what = {"wall_hours": "hours"}.get(self.key, self.key.replace("_", " ").replace("device h", "device-h"))
        what = what.replace("target tokens", self.counted)
        return f"the budget of {f'{self.most:,}' if 'tokens' in self.key else f'{self.most:g}'} {what} is spent"

    @property
    def override(self) -> str:
        """The override that doubles this bound: `budget.device_hours=4`."""
        more = 2 * self.used
        return f"budget.{self.key}={f'{more:.0f}' if 'tokens' in self.key else f'{more:.3g}'}"


class Account:
    """What the trials of a search have spent, in device-seconds, target tokens and hours of search.

    An epoch counts when its report is durable. What a crash lost was not reported, and does not count.

    Args:
        budget: The bounds.
        ledger: The sweep's.
        directory: The sweep's.
        searching: Whether this launch searches now, so that the clock runs.
        replicate: The search that it is about, where it is one of several: each has the whole budget.

    """

    def __init__(
        self, budget: Budget, ledger: Ledger, directory: Path, *, searching: bool, replicate: Replicate | None = None
    ) -> None:
        self._budget = budget
        self._ledger = ledger
        self._searching = searching
        self._replicate = replicate
        self._counted = task_settings(ledger.fingerprint.get("experiment", {})).counted
        self._histories = TrialHistories(directory)
        self._known: dict[str | None, str] = {}

    def spent(self, row: str | None) -> str | None:
        """The bound that allows no further epoch of a row (None: of any); None while there is budget left."""
        # What is spent stays spent, even where a crash takes an unsaved epoch back.
        if row not in self._known and (reason := self._reason(row)) is not None:
            self._known[row] = reason
        return self._known.get(row)

    def used_up(self, row: str) -> tuple[UsedUp, ...]:
        """The bounds that keep a trial of a row from another epoch; empty while there is budget left."""
        return (*self._used_up(None), *self._used_up(row))

    def _reason(self, row: str | None) -> str | None:
        budget = self._budget
        for bound in self._used_up(row):
            return bound.reason
        if budget.trials is None and budget.trials_per_strategy is None and self._hopeless(self._searched(row)):
            return f"the last {_HOPELESS_TRIALS} trials failed before their first epoch; no budget would be spent"
        return None

    def _used_up(self, row: str | None) -> Iterator[UsedUp]:
        trials = self._searched(row)
        each = "" if row is None else "_per_strategy"
        used: dict[str, Callable[[], float]] = {
            f"device_hours{each}": lambda: self._device_s(trials) / HOUR_S,
            f"target_tokens{each}": lambda: self._target_tokens(trials),
        }
        if row is None:
            used = {"wall_hours": lambda: self.wall_s() / HOUR_S, **used}
        for key, amount in used.items():
            most = getattr(self._budget, key)
            if most is not None and (so_far := amount()) >= most:
                yield UsedUp(key, most, so_far, self._counted)

    def _searched(self, row: str | None = None) -> list[TrialRecord]:
        mine = self._replicate
        searched = [one for one in self._ledger.trials.values() if one.suggested and (mine is None or one.seed in mine)]
        return [record for record in searched if row in (None, record.row)]

    def _hopeless(self, trials: list[TrialRecord]) -> bool:
        last = trials[-_HOPELESS_TRIALS:]
        failed = [one for one in last if one.state is TrialState.FAILED and not self._histories.reports(one)]
        return len(failed) == _HOPELESS_TRIALS

    def wall_s(self) -> float:
        """Seconds for which launches have searched; a killed one counts up to its last event or report."""
        number = None if self._replicate is None else self._replicate.number
        spans = [span for span in self._ledger.searches if span.replicate == number]
        if not spans:
            return 0.0
        heard = [report.time_ms for record in self._searched() for report in self._histories.reports(record)]
        nexts = [span.started_ms for span in spans[1:]]
        total_ms = 0
        for span, until in zip(spans, [*nexts, None], strict=True):
            if until is None and self._searching:
                end = int(time.time() * 1000)
            else:
                end = max([span.ended_ms, *(ms for ms in heard if ms >= span.started_ms and (not until or ms < until))])
            total_ms += max(0, end - span.started_ms)
        return total_ms / 1000

    def _device_s(self, trials: Iterable[TrialRecord]) -> float:
        return device_seconds(report for record in trials for report in self._histories.reports(record))

    def _target_tokens(self, trials: Iterable[TrialRecord]) -> int:
        return sum(reports[-1].target_tokens for record in trials if (reports := self._histories.reports(record)))


def rows_left(sweep: Sweep, started: Mapping[str, int], spent: Spent) -> list[str]:
    """The rows that may have another trial; the one with the fewest first, equals in the file's order.

    Args:
        sweep: Its rows and its budget.
        started: Row → its trials so far.
        spent: What else a row may have used up.

    """

    def may(row: str) -> bool:
        most = sweep.trials_of(row)
        return (most is None or started.get(row, 0) < most) and spent(row) is None

    return sorted(filter(may, sweep.row_ids()), key=lambda row: started.get(row, 0))


def search_end(sweep: Sweep, started: Counter[str], spent: Spent) -> str | None:
    """Why no further trial is started; None while one may be."""
    total = sweep.total_trials()
    if total is not None and started.total() >= total:
        return f"all {total} trials were started"
    if reason := spent(None):
        return reason
    if sweep.round_robin() and not rows_left(sweep, started, spent):
        return f"the budget of every {sweep.row_parameter} is spent"
    return None


def rows_ended(sweep: Sweep, records: Iterable[TrialRecord]) -> set[str]:
    """The rows of one search of which every trial has ended, and whose number of trials allows no further one.

    Other bounds are not asked: a trial that was drawn before they were reached may begin afterwards.

    Args:
        sweep: Its bounds on the number of trials.
        records: Trials of the ledger; those that no search suggested do not count.

    """
    searched = [record for record in records if record.suggested]
    started, total = Counter(record.row for record in searched), sweep.total_trials()
    training = {record.row for record in searched if record.state is TrialState.RUNNING}
    if total is None or started.total() < total:
        started = Counter({row: n for row, n in started.items() if (most := sweep.trials_of(row)) and n >= most})
    return started.keys() - training
