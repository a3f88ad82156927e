"""What Tune calls may fail: the first error is kept, and whoever runs Tune raises it once Tune has ended."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from ray import tune
from ray.tune.search import Searcher

from intelligen.config.sweep import Sweep

FINISHED: dict[str, Any] | str | None = Searcher.FINISHED

P = ParamSpec("P")
Answer = TypeVar("Answer")
Caller = TypeVar("Caller", bound="DrivenSearcher")


class DrivenSearcher(Searcher):  # type: ignore[misc] # Ray is not typed
    """A searcher of Tune's whose memory is on disk: study and ledger, and no state of its own.

    Args:
        sweep: Its objective.

    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(
            metric=sweep.objective.metric, mode="max" if sweep.objective.direction == "maximize" else "min"
        )
        self.error: Exception | None = None  # of a callback: raise it once Tune has ended

    def stops(self, trial_id: str, epoch: int) -> bool:
        """Whether a running trial ends with this epoch."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher so as to restore from the pickle; a resumed sweep reads study and ledger instead.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study and the ledger are on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a resumed sweep reads the study and the ledger."""


def kept_errors(
    after: Answer,
) -> Callable[[Callable[Concatenate[Caller, P], Answer]], Callable[Concatenate[Caller, P], Answer]]:
    """The first error of a callback is kept in `error`, and every callback answers `after` from then on.

    Tune would make text of it, or take it for the trial's failure and try again.
    """

    def keeping(callback: Callable[Concatenate[Caller, P], Answer]) -> Callable[Concatenate[Caller, P], Answer]:
        @wraps(callback)
        def kept(searcher: Caller, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
            if searcher.error is None:
                try:
                    return callback(searcher, *args, **kwargs)
                except Exception as error:
                    searcher.error = error  # whoever runs Tune raises it again
            return after

        return kept

    return keeping


class SearcherStopper(tune.Stopper):  # type: ignore[misc] # Ray is not typed
    """Stops a running trial at its next report where the searcher says so.

    Args:
        searcher: Who knows what is paid for.

    """

    def __init__(self, searcher: DrivenSearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether the trial ends with this report."""
        # A trial that fails before its first epoch has a result of Tune's own, which reports nothing.
        return "training_iteration" in result and self._searcher.stops(trial_id, result["training_iteration"])

    def stop_all(self) -> bool:
        """At once where the searcher has failed; never for a budget: what an epoch has cost, its report is to show."""
        return self._searcher.error is not None

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it with the experiment; a resumed sweep makes its own.
        return {}
