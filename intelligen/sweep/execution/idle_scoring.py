"""Scoring in idle places: where the last training stage has no trial for an actor, the actor scores test sets."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import TrialScheduler

from intelligen.state.trial_records import TrialRecord
from intelligen.sweep.execution.tune_callbacks import FINISHED, DrivenSearcher, kept_errors
from intelligen.sweep.execution.workers import SCORES, ScoringConfig
from intelligen.sweep.schedulers.delegating import Delegating
from intelligen.sweep.schedulers.early_stopping import FailuresKept
from intelligen.sweep.sweep_context import SweepContext


@dataclass(frozen=True)
class Untested:
    """What is to be scored once the trials have come to their end, or before."""

    find: Callable[[bool], Iterable[TrialRecord]]
    """The models that are to have scores; asked whether all trials have ended."""
    over: Callable[[], None] = lambda: None
    """Called once when all trials have ended, before they are scored."""


class IdleScoring(DrivenSearcher):
    """A searcher whose actors score test sets where it has no trial for them, and once it has none any more.

    Tune ends its actors with its run, and a new process imports for seconds. What is not scored here, because its
    process died or scoring failed, is left to the test stage, which tries again and says what is wrong.

    Args:
        context: The launch.
        searcher: Hands out the trials.
        untested: What is scored.

    """

    def __init__(self, context: SweepContext, searcher: DrivenSearcher, untested: Untested) -> None:
        self._searcher = searcher
        super().__init__(context.sweep)
        self._context = context
        self._untested = untested
        self._last: list[TrialRecord] | None = None
        self._tried: set[str] = set()
        self._scoring: dict[str, str] = {}
        self.has_finished = False
        """Whether nothing is left to do; where Tune has ended before, it was interrupted."""

    @property
    def error(self) -> Exception | None:
        """The first error of either searcher."""
        return self._searcher.error

    @error.setter
    def error(self, error: Exception | None) -> None:
        self._searcher.error = error

    def running(self) -> Collection[str]:
        """Tune's names of the attempts and scorings under way."""
        return [*self._searcher.running(), *self._scoring]

    def stops(self, trial_id: str, epoch: int) -> bool:
        """Whether a running trial ends with this epoch; a scoring ends by itself."""
        return trial_id not in self._scoring and self._searcher.stops(trial_id, epoch)

    @kept_errors(FINISHED)
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The searcher's next trial; else what an actor can score meanwhile."""
        suggested = FINISHED if self._last is not None else self._searcher.suggest(trial_id)
        if isinstance(suggested, dict) or self.error is not None:
            return suggested
        if suggested == FINISHED and self._last is None:
            self._untested.over()
            self._last = [] if self._searcher.waits_alone() else list(self._untested.find(True))
        if suggested is None and self._searcher.waits_alone():
            return None
        for record in self._untested.find(False) if self._last is None else self._last:
            if not record.scores and record.id not in self._tried:
                self._tried.add(record.id)
                self._scoring[trial_id] = record.id
                return dict(self._config(record))
        self.has_finished = suggested == FINISHED and not self._scoring
        return None if self._scoring else suggested

    @kept_errors(None)
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A trial's epoch is the searcher's."""
        if trial_id not in self._scoring:
            self._searcher.on_trial_result(trial_id, result)

    @kept_errors(None)
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial's end is the searcher's; scores are in the ledger at once."""
        if trial_id not in self._scoring:
            self._searcher.on_trial_complete(trial_id, result, error)
        elif not error:
            name = self._scoring.pop(trial_id)
            if result is not None and SCORES in result:
                self._context.ledger.score(name, json.loads(result[SCORES]))

    @kept_errors(None)
    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        """A trial's failure is the searcher's; a scoring's is left to the test stage."""
        if self._scoring.pop(trial_id, None) is None:
            self._searcher.on_attempt_failed(trial_id, error)

    def _config(self, record: TrialRecord) -> ScoringConfig:
        return {
            "directory": str(self._context.directory_of(record)),
            "store": str(self._context.store),
            "resources": self._context.sweep.resources.model_dump_json(),
            "scoring": self._context.sweep.test.model_dump_json(),
        }


class ScoringApart(Delegating):
    """The scheduler where trials are scored, too: what scores is compared with no trial.

    Args:
        scheduler: Of the trials.

    """

    def __init__(self, scheduler: TrialScheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._of_scoring = FailuresKept()

    def _of(self, trial: Any) -> TrialScheduler:
        return self._of_scoring if "scoring" in trial.config else self._scheduler
