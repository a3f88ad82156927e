"""Early stopping (ASHA, Hyperband, median): schedulers that remember the trials of earlier launches."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, assert_never

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from intelligen.config.base import content_hash
from intelligen.config.schema.schedulers import Asha, Hyperband, Median, NoScheduler, Pbt
from intelligen.config.schema.sweep import Sweep
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.sweep.execution.tune_callbacks import tune_mode
from intelligen.sweep.schedulers.within_row import WithinRow

EPOCH = "training_iteration"


@dataclass(frozen=True, eq=False)  # Tune's schedulers keep trials as keys
class EndedTrial:
    """What the schedulers know of a trial that an earlier launch brought to its end."""

    trial_id: str
    row: str
    reports: tuple[Report, ...]


class FailuresKept(FIFOScheduler):  # type: ignore[misc] # Ray is not typed
    """Stops no trial early. Base of every scheduler, for Tune's own record of the trials' ends."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Have Tune write the failure down: of a trial whose process has died it would say for ever that it runs."""
        super().on_trial_error(tune_controller, trial)
        # Ray 2.60: `_schedule_trial_stop` comes to this for living processes only.
        tune_controller._mark_trial_to_checkpoint(trial)


class PendingReports:
    """Last reports of trials that an earlier launch left unfinished: a kill may have come before the decision.

    A trial that goes on at an epoch's end sends that epoch's report again, and the scheduler decides on it then. One
    that goes on in the middle of an epoch does not: it was not stopped.
    """

    def __init__(self) -> None:
        self._held: dict[str, Report] = {}

    def hold(self, trial: Any) -> list[Report]:
        """The reports of a trial's history but for the last one."""
        reports = read_history(Path(trial.config["directory"]) / HISTORY_FILE)
        if reports:
            self._held[trial.trial_id] = reports[-1]
        return reports[:-1]

    def before(self, trial: Any, epoch: float) -> list[Report]:
        """The last one, where it is older than what the trial reports now."""
        last = self._held.pop(trial.trial_id, None)
        return [] if last is None or last.epoch >= epoch else [last]


class EarlierAttempts:
    """Earlier attempts at trials: to Tune each is a trial of its own; the next one replays their reports."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def previous(self, trial: Any) -> Any:
        """The attempt before this one, if any; its reports are to be forgotten."""
        directory = trial.config["directory"]
        earlier = self._last.get(directory)
        self._last[directory] = trial
        return earlier


class ResumableAsha(FailuresKept, AsyncHyperBandScheduler):  # type: ignore[misc] # Ray is not typed
    """Successive halving, in one bracket (ASHA) or several (Hyperband), whose rungs remember earlier launches.

    Args:
        objective: The metric that is compared.
        epochs: Of a trial that finishes.
        brackets: A bracket's first rung is η times that of the bracket before.
        arguments: Of AsyncHyperBandScheduler.

    """

    def __init__(self, objective: str, *, epochs: int, brackets: int = 1, **arguments: Any) -> None:
        # One more than a trial has: at max_t every trial would be stopped before it can select its weights.
        super().__init__(
            time_attr=EPOCH,
            metric=objective,
            max_t=epochs + 1,
            brackets=brackets,
            # A trial may have more epochs than most; beyond the last rung nothing is compared.
            stop_last_trials=False,
            **arguments,
        )
        self._pending_reports = PendingReports()
        self._attempts = EarlierAttempts()

    def recall(self, ended: EndedTrial) -> None:
        """Take an ended trial's reports into account."""
        self._join(ended, name=ended.trial_id)
        self._replay(ended, ended.reports)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial that an earlier attempt left unfinished brings its reports along, under Tune's new name for it."""
        if (earlier := self._attempts.previous(trial)) is not None:
            for bracket in self._brackets:
                for _, recorded in bracket._rungs:
                    recorded.pop(earlier.trial_id, None)
        self._join(trial, name=Path(trial.config["directory"]).name)
        self._replay(trial, self._pending_reports.hold(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on; after its last epoch nothing can be saved by stopping it."""
        self._replay(trial, self._pending_reports.before(trial, result[EPOCH]))
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if result[EPOCH] >= trial.config["epochs"] else decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial that had ended before its launcher was killed reports nothing again."""
        self._replay(trial, self._pending_reports.before(trial, math.inf))
        super().on_trial_complete(tune_controller, trial, result)

    def _join(self, trial: Any, *, name: str) -> None:
        # Ray draws the bracket from NumPy's generator, which no kill survives.
        self._trial_info[trial.trial_id] = self._brackets[bracket_of(name, len(self._brackets), self._reduction_factor)]

    def _replay(self, trial: Any, reports: Iterable[Report]) -> None:
        for report in reports:
            super().on_trial_result(None, trial, {**report.metrics, EPOCH: report.epoch})


class ResumableMedian(FailuresKept, MedianStoppingRule):  # type: ignore[misc] # Ray is not typed
    """Median stopping that remembers earlier launches.

    Args:
        objective: The metric that is compared.
        arguments: Of MedianStoppingRule.

    """

    def __init__(self, objective: str, **arguments: Any) -> None:
        # A trial that waits for others to compare with would have to be paused, which ours cannot be: never yield.
        super().__init__(time_attr=EPOCH, metric=objective, min_time_slice=math.inf, **arguments)
        self._pending_reports = PendingReports()
        self._attempts = EarlierAttempts()

    def recall(self, ended: EndedTrial) -> None:
        """Take an ended trial's reports into account."""
        self._replay(ended, ended.reports)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial that an earlier attempt left unfinished brings its reports along."""
        if (earlier := self._attempts.previous(trial)) is not None:
            self._results.pop(earlier, None)
        super().on_trial_add(tune_controller, trial)
        self._replay(trial, self._pending_reports.hold(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on; after its last epoch nothing can be saved by stopping it."""
        self._replay(trial, self._pending_reports.before(trial, result[EPOCH]))
        seen = self._results.get(trial)
        if seen and result[EPOCH] <= seen[-1][EPOCH]:
            return str(TrialScheduler.CONTINUE)  # Tune shows a trial's last report once more when it is done
        if result[EPOCH] >= trial.config["epochs"]:
            self._results[trial].append(result)
            return str(TrialScheduler.CONTINUE)
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial that had ended before its launcher was killed reports nothing again; others have reported all."""
        self._replay(trial, self._pending_reports.before(trial, math.inf))

    def _replay(self, trial: Any, reports: Sequence[Report]) -> None:
        if reports:
            self._results[trial] += [{**report.metrics, EPOCH: report.epoch} for report in reports]


def bracket_of(name: str, brackets: int, reduction_factor: int) -> int:
    """The bracket of the trial with this name, drawn in the proportions of Hyperband (Li et al. 2018, algorithm 1).

    Of B brackets, bracket b halves at most s = B − 1 − b times, and gets a share proportional to η^s / (s + 1).
    """
    halvings = range(brackets - 1, -1, -1)
    shares = list(accumulate(reduction_factor**s / (s + 1) for s in halvings))
    drawn = int(content_hash(name), 16) / 16**16 * shares[-1]
    return sum(drawn >= share for share in shares[:-1])


def scheduler(sweep: Sweep, *, epochs: int, ended: Sequence[EndedTrial]) -> TrialScheduler:
    """The sweep's scheduler.

    Args:
        sweep: Its settings.
        epochs: Of a trial that finishes.
        ended: The trials that earlier launches brought to an end.

    """
    if not sweep.round_robin():
        return _comparing(sweep, epochs, ended)
    return WithinRow(lambda row: _comparing(sweep, epochs, [trial for trial in ended if trial.row == row]))


def _comparing(sweep: Sweep, epochs: int, ended: Iterable[EndedTrial]) -> TrialScheduler:
    """One that compares all trials with each other."""
    settings = sweep.scheduler
    mode = tune_mode(sweep.objective.metric)
    chosen: ResumableAsha | ResumableMedian
    match settings:
        case NoScheduler() | Pbt():  # a population's intervals are scheduled by the search
            return FailuresKept()
        case Asha() | Hyperband():
            grace = min(epochs, settings.grace_epochs)
            chosen = ResumableAsha(
                sweep.objective.metric,
                mode=mode,
                epochs=epochs,
                grace_period=grace,
                reduction_factor=settings.reduction_factor,
                brackets=_brackets(grace, epochs, settings) if isinstance(settings, Hyperband) else 1,
            )
        case Median():
            chosen = ResumableMedian(
                sweep.objective.metric,
                mode=mode,
                grace_period=settings.grace_epochs,
                min_samples_required=settings.least_trials,
            )
        case _:
            assert_never(settings)
    for trial in ended:
        chosen.recall(trial)
    return chosen


def _brackets(grace: int, epochs: int, settings: Hyperband) -> int:
    """As many as have a rung before the last epoch, and one without."""
    brackets = 1
    while grace * settings.reduction_factor ** (brackets - 1) < epochs:
        brackets += 1
    return brackets
