"""Callbacks of Ray Tune: the first error is kept, and raised once Tune has ended."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ray import cloudpickle, tune
from ray.tune.progress_reporter import ProgressReporter, TrialProgressCallback
from ray.tune.search import Searcher

from intelligen.config.metric_direction import higher_is_better
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import IntelligenError
from intelligen.sweep.cluster.capacity_monitor import CapacityMonitor
from intelligen.sweep.execution.retries import Next

FINISHED: dict[str, Any] | str | None = Searcher.FINISHED

P = ParamSpec("P")
Result = TypeVar("Result")
Caller = TypeVar("Caller", bound="DrivenSearcher")


def tune_mode(metric: str) -> str:
    """Which way a metric points, in Tune's words."""
    return "max" if higher_is_better(metric) else "min"


class DrivenSearcher(Searcher):  # type: ignore[misc] # Ray is not typed
    """Searcher for Tune without a state of its own: study and ledger are on disk.

    Args:
        sweep: Its objective.

    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(metric=sweep.objective.metric, mode=tune_mode(sweep.objective.metric))
        self.error = None
        self._alone: set[Hashable] = set()  # trials that are to run with nothing beside them

    @property
    def error(self) -> Exception | None:
        """The first error of a callback: raise it once Tune has ended."""
        return self._error

    @error.setter
    def error(self, error: Exception | None) -> None:
        self._error = error

    def stops(self, trial_id: str, epoch: int) -> bool:
        """Whether a running trial ends with this epoch."""
        return False

    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        """An attempt has ended by an error: Tune makes no other, for not every error is the trial's."""
        raise NotImplementedError

    def running(self) -> Collection[str]:
        """Tune's names of the attempts under way."""
        raise NotImplementedError

    def waits_alone(self) -> bool:
        """Whether nothing may start, because a trial is to run with nothing beside it."""
        return bool(self._alone)

    def _is_again(self, name: Hashable, following: Next) -> bool:
        """Whether a trial is to be handed out once more, after an attempt that failed."""
        if following is Next.ALONE:
            self._alone.add(name)
        return following is not Next.FAILED

    def _must_wait(self, busy: Collection[Hashable], pending: Iterable[Hashable]) -> bool:
        """Whether nothing may start now, because a trial that is to run alone runs, or waits for its turn."""
        return bool(busy) and not self._alone.isdisjoint([*busy, *pending])

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher so as to restore from the pickle; a resumed sweep reads study and ledger instead.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study and the ledger are on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a resumed sweep reads the study and the ledger."""


def kept_errors(
    after: Result,
) -> Callable[[Callable[Concatenate[Caller, P], Result]], Callable[Concatenate[Caller, P], Result]]:
    """The first error of a callback is kept in `error`, and every callback answers `after` from then on.

    Tune would make text of it, or take it for the trial's failure and try again.
    """

    def keeping(callback: Callable[Concatenate[Caller, P], Result]) -> Callable[Concatenate[Caller, P], Result]:
        @wraps(callback)
        def kept(searcher: Caller, /, *args: P.args, **kwargs: P.kwargs) -> Result:
            if searcher.error is None:
                try:
                    return callback(searcher, *args, **kwargs)
                except Exception as error:
                    searcher.error = error  # the caller of Tune raises it again
            return after

        return kept

    return keeping


class NoTrialLines(TrialProgressCallback):  # type: ignore[misc] # Ray is not typed
    """Takes the place of Tune's own, which prints a line where a trial ends without a report, whatever `verbose` is."""

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """Print nothing: standard output may hold a JSON document."""

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Likewise."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Likewise."""


class NoReports(ProgressReporter):  # type: ignore[misc] # Ray is not typed
    """Takes the place of Tune's own, which in a notebook removes what the cell has shown before it shows nothing."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        """Never: our own progress is shown by the launch's reporter."""
        return False


class FailedAttempts(tune.Callback):  # type: ignore[misc] # Ray is not typed
    """Tells the searcher by what error an attempt ended; to a searcher itself Tune says only that it did.

    Args:
        searcher: Who decides what follows.

    """

    def __init__(self, searcher: DrivenSearcher) -> None:
        self._searcher = searcher

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called after the searcher's `on_trial_complete`, before it is asked for another trial."""
        self._searcher.on_attempt_failed(trial.trial_id, _error_of(trial))


def _error_of(trial: Any) -> BaseException:
    """Tune keeps the errors of tasks and actors whole; of others it keeps the text, below a line of its own."""
    if pickled := trial.pickled_error_file:
        error: BaseException = cloudpickle.loads(Path(pickled).read_bytes())
        return error
    _, _, text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace").partition("\n")
    return RuntimeError(text)


class SearcherStopper(tune.Stopper):  # type: ignore[misc] # Ray is not typed
    """Stops a running trial at its next report where the searcher says so, and all of them where nothing finds room.

    Args:
        searcher: Knows what the budget allows.
        capacity: Where the trials run.

    """

    def __init__(self, searcher: DrivenSearcher, capacity: CapacityMonitor) -> None:
        self._searcher = searcher
        self._capacity = capacity

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether the trial ends with this report."""
        # A trial that fails before its first epoch has a result of Tune's own, which reports nothing.
        return "training_iteration" in result and self._searcher.stops(trial_id, result["training_iteration"])

    def stop_all(self) -> bool:
        """At once where the searcher has failed; never for a budget: what an epoch has cost, its report is to show.

        Tune asks in each iteration of its loop, also while it waits for a trial that Ray cannot schedule.
        """
        if self._searcher.error is None:
            try:
                self._capacity.look()
            except IntelligenError as lost:
                self._searcher.error = lost
        return self._searcher.error is not None

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it with the experiment; a resumed sweep makes its own.
        return {}
