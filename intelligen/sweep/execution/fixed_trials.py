"""Fixed trials: known beforehand, run in order, each to its end or until a scheduler stops it; none is suggested."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ray.tune.schedulers import TrialScheduler

from intelligen.config.schema.resources import Resources
from intelligen.state.trial_records import TrialState
from intelligen.sweep.execution.idle_scoring import Untested
from intelligen.sweep.execution.retries import Attempts
from intelligen.sweep.execution.tune_callbacks import FINISHED, DrivenSearcher, kept_errors
from intelligen.sweep.execution.tune_runner import run_trials
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.schedulers.early_stopping import FailuresKept
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import continue_trial, end_trial

Begin = Callable[[], WorkerConfig]
"""Writes a trial into the ledger, and says what its processes need."""


def run_fixed_trials(
    context: SweepContext,
    trials: Mapping[str, Begin],
    *,
    resources: Resources,
    name: str,
    untested: Untested | None = None,
    scheduler: TrialScheduler | None = None,
) -> None:
    """Run trials to their ends, so many at a time.

    Args:
        context: The launch.
        trials: Name in the ledger → what begins it.
        resources: What each of them takes.
        name: Of the folder for Tune's own files.
        untested: What is scored where no trial is left for an actor.
        scheduler: Stops trials early; none is stopped where it is not given.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    finished = True
    if trials:
        searcher = _FixedTrials(context, trials, Attempts(context, resources))
        finished = run_trials(
            context, searcher, resources=resources, scheduler=scheduler or FailuresKept(), name=name, untested=untested
        )
    known = context.ledger.trials
    if not finished or any(trial not in known or known[trial].state is TrialState.RUNNING for trial in trials):
        raise KeyboardInterrupt  # which Tune keeps to itself


class _FixedTrials(DrivenSearcher):
    def __init__(self, context: SweepContext, trials: Mapping[str, Begin], attempts: Attempts) -> None:
        super().__init__(context.sweep)
        self._context = context
        self._begin = trials
        self._left = list(trials)
        self._attempts = attempts
        self._begun: dict[str, WorkerConfig] = {}
        self._running: dict[str, str] = {}

    def running(self) -> Collection[str]:
        return list(self._running)

    @kept_errors(FINISHED)
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._must_wait(self._running.values(), self._left):
            return None
        if not self._left:
            return None if self._running else FINISHED  # what runs may have to run again
        self._running[trial_id] = name = self._left.pop(0)
        if name not in self._begun:
            self._begun[name] = self._begin[name]()
        return dict(self._begun[name])

    @kept_errors(None)
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self.metric in result:
            continue_trial(self._context, self._running[trial_id], result["training_iteration"])

    @kept_errors(None)
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if not error:
            end_trial(self._context, self._running.pop(trial_id), crashed=False)

    @kept_errors(None)
    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        name = self._running.pop(trial_id)
        if self._is_again(name, self._attempts.failed(name, error)):
            self._left.insert(0, name)
        else:
            end_trial(self._context, name, crashed=True)
