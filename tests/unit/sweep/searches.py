"""Parts of the search's tests: a small space, and a searcher over a study on disk whose trials end as scripted."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from intelligen.analysis.trial_outcome import Outcome
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialState
from intelligen.sweep.execution.retries import Next
from intelligen.sweep.search.optuna_study import open_study
from intelligen.sweep.search.searcher import StudySearcher, Suggestion
from intelligen.sweep.search.warm_start import warm_start

EPOCHS = 4
SPACE = {
    "finetuning.optimizer.learning_rate": {"log_uniform": [1e-5, 1e-3]},
    "strategy": {
        "choice": {"standard": {}, "generative": {"probability.start": {"uniform": [0.1, 0.5]}}},
    },
}
GRID = {
    "finetuning.optimizer.learning_rate": {"choice": [1e-4, 1e-3]},
    "strategy": {"choice": {"standard": {}, "generative": {"candidates": {"int": [2, 4]}}}},
}


def sweep(**changes: object) -> Sweep:
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "space": SPACE, "budget": {"trials_per_strategy": 3}}
    return Sweep.model_validate(settings | changes, strict=False)


def report(epoch: int, value: float, **metrics: float) -> Report:
    return Report(epoch, epoch, 100 * epoch, 0, {"valid/bleu": value, **metrics})


class Search:
    """A searcher over a study on disk, whose trials end as told."""

    def __init__(
        self, directory: Path, settings: Sweep, *, spent: Callable[[str | None], str | None] = lambda strategy: None
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.started: list[Suggestion] = []
        self.ends: dict[int, Outcome] = {}
        self.stopped: dict[int, str | None] = {}
        self.follows: dict[int, list[Next]] = defaultdict(list)
        """What follows from failed attempts at a trial; nothing but its end where nothing is said."""
        self.broken: Exception | None = None
        self.study = open_study(directory, settings, sweep_id="0")
        warm_start(self.study, settings, sweeps=directory.parent)
        self.refused: dict[int, str] = {}
        self.refusals: set[int] = set()
        self.gone_on: list[tuple[int, int]] = []
        self.searcher = StudySearcher(
            self.study,
            sweep=settings,
            spent=spent,
            trials=self,
        )

    def start(self, suggestion: Suggestion) -> dict:
        if suggestion.number in self.refusals:
            raise ConfigError("strategy: these do not go together")
        self.started.append(suggestion)
        return {"epochs": EPOCHS}

    def refuse(self, suggestion: Suggestion, reason: str) -> Outcome:
        self.refused[suggestion.number] = reason
        return Outcome(TrialState.FAILED, reason)

    def attempt_failed(self, number: int, error: BaseException) -> Next:
        return self.follows[number].pop(0) if self.follows[number] else Next.FAILED

    def continue_trial(self, number: int, epoch: int) -> None:
        self.gone_on.append((number, epoch))

    def end(self, number: int, *, crashed: bool = False, stopped: str | None = None) -> Outcome:
        if self.broken is not None:
            raise self.broken
        self.stopped[number] = stopped
        return self.ends[number]

    def run_one(
        self, *values: float, state: TrialState = TrialState.COMPLETE, curve: dict[int, float] | None = None
    ) -> Suggestion | None:
        """One trial that reports its first epoch and ends; none where the search is over."""
        values = values or (1.0,)
        name = f"tune-{len(self.started)}-{id(self)}"
        if self.searcher.suggest(name) == StudySearcher.FINISHED:
            self._raise_its_error()
            return None
        number = self.started[-1].number
        self.searcher.on_trial_result(name, {"valid/bleu": values[0], "training_iteration": 1})
        self.ends[number] = Outcome(state, "", values if state is TrialState.COMPLETE else (), curve or {})
        failed = state is TrialState.FAILED
        self.searcher.on_trial_complete(name, {}, error=failed)
        if failed:
            self.searcher.on_attempt_failed(name, RuntimeError("it crashed"))
        self._raise_its_error()
        return self.started[-1]

    def run_all(self) -> list[Suggestion]:
        while self.run_one() is not None:
            pass
        return self.started

    def _raise_its_error(self) -> None:
        if self.searcher.error is not None:
            raise self.searcher.error
