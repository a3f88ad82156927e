"""Trials that are known beforehand run in their order, each to its end: nobody suggests them, and nobody stops them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from intelligen.config.sweep import Resources
from intelligen.sweep.attempts import Attempts
from intelligen.sweep.callbacks import FINISHED, DrivenSearcher, kept_errors
from intelligen.sweep.scheduler import FailuresKept
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.trials import let_trial_go_on, settle_trial
from intelligen.sweep.tuning import run_trials
from intelligen.sweep.workers import WorkerConfig
from intelligen.tracking.records import TrialState

Begin = Callable[[], WorkerConfig]
"""Writes a trial into the ledger, and says what its processes need."""


def run_listed(run: SweepRun, trials: Mapping[str, Begin], *, resources: Resources, name: str) -> None:
    """Run trials to their ends, so many at a time.

    Args:
        run: The launch.
        trials: Name in the ledger → what begins it.
        resources: What each of them takes.
        name: Of the folder for Tune's own files.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    if trials:
        searcher = _ListSearcher(run, trials, Attempts(run, resources))
        run_trials(run, searcher, resources=resources, scheduler=FailuresKept(), name=name)
    known = run.ledger.trials
    if any(trial not in known or known[trial].state is TrialState.RUNNING for trial in trials):
        raise KeyboardInterrupt  # which Tune keeps to itself


class _ListSearcher(DrivenSearcher):
    def __init__(self, run: SweepRun, trials: Mapping[str, Begin], attempts: Attempts) -> None:
        super().__init__(run.sweep)
        self._run = run
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
            let_trial_go_on(self._run, self._running[trial_id], result["training_iteration"])

    @kept_errors(None)
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if not error:
            settle_trial(self._run, self._running.pop(trial_id), crashed=False)

    @kept_errors(None)
    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        name = self._running.pop(trial_id)
        if self._is_again(name, self._attempts.failed(name, error)):
            self._left.insert(0, name)
        else:
            settle_trial(self._run, name, crashed=True)
