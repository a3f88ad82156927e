"""Optuna suggests and is told the truth: COMPLETE ran its course, PRUNED was stopped, FAIL crashed or diverged."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState as OptunaState
from ray.tune.search import Searcher

from intelligen.config.base import content_hash
from intelligen.config.sweep import Search, Sweep
from intelligen.errors import ConfigError
from intelligen.sweep.outcome import Outcome
from intelligen.sweep.space import suggest
from intelligen.tracking.ledger import TrialState

STUDY_FILE = "study.journal"


def open_study(directory: Path, sweep: Sweep) -> optuna.Study:
    """The sweep's Optuna study, a journal file in its directory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = str(directory / STUDY_FILE)
    # The sweep's own lock keeps others out, so a lock that a killed launcher left may be broken soon.
    backend = JournalFileBackend(path, lock_obj=JournalFileOpenLock(path, grace_period=5))
    return optuna.create_study(
        storage=JournalStorage(backend),
        study_name=sweep.name,
        direction=sweep.objective.direction,
        load_if_exists=True,
    )


def tell(study: optuna.Study, number: int, outcome: Outcome) -> None:
    """Bring a trial to its end in the study."""
    match outcome.state:
        case TrialState.COMPLETE:
            study.tell(number, outcome.value)
        case TrialState.PRUNED:
            study.tell(number, state=OptunaState.PRUNED)
        case _:
            study.tell(number, state=OptunaState.FAIL)


@dataclass(frozen=True)
class Suggestion:
    """One trial that the search wants run."""

    number: int
    """Optuna's, from 0."""
    params: dict[str, Any]
    """As Optuna names them."""
    changes: dict[str, Any]
    """Dotted experiment key → value."""


class StudySearcher(Searcher):  # type: ignore[misc] # Ray is not typed
    """Tune's searcher over an Optuna study that outlives the launcher.

    Trials that an earlier launch left running come first, with the same parameters; then new ones until the
    budget is spent. The draw of a trial depends on its number and on the history alone, so a sequential sweep
    that was killed and resumed suggests what an undisturbed one does.

    Args:
        study: Where the truth about trials is kept.
        sweep: Space, sampler, budget.
        start: Told of every suggestion before it runs; returns Tune's configuration, or raises ConfigError.
        refuse: Told of a suggestion that `start` refused, and why; returns what came of it.
        settle: Told that a trial has ended (`crashed` by Tune's word); returns what came of it.

    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        sweep: Sweep,
        start: Callable[[Suggestion], dict[str, Any]],
        refuse: Callable[[Suggestion, str], Outcome],
        settle: Callable[[int, bool], Outcome],
    ) -> None:
        super().__init__(
            metric=sweep.objective.metric, mode="max" if sweep.objective.direction == "maximize" else "min"
        )
        self._study = study
        self._sweep = sweep
        self._start = start
        self._refuse = refuse
        self._settle = settle
        self._running: dict[str, optuna.Trial] = {}
        self._unfinished = [t for t in study.trials if t.state == OptunaState.RUNNING]

    def remaining(self) -> int:
        """Trials of the budget that have not come to an end."""
        ended = sum(trial.state.is_finished() for trial in self._study.get_trials(deepcopy=False))
        return max(0, self._sweep.total_trials() - ended)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Tune's question: what next?"""
        while (trial := self._next_trial()) is not None:
            changes = suggest(trial, self._sweep.space)
            suggestion = Suggestion(trial.number, dict(trial.params), changes)
            try:
                config = self._start(suggestion)
            except ConfigError as error:
                # Values that are allowed each, but not together: the trial fails, and the search goes on.
                tell(self._study, trial.number, self._refuse(suggestion, str(error)))
                continue
            self._running[trial_id] = trial
            return config
        finished: str = Searcher.FINISHED
        return finished

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch's objective, for Optuna's own model of unfinished trials."""
        if self.metric in result:
            self._running[trial_id].report(result[self.metric], step=result["training_iteration"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how the trial ended."""
        trial = self._running.pop(trial_id)
        tell(self._study, trial.number, self._settle(trial.number, error))

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher so as to restore from the pickle; a resumed sweep reads study and ledger instead.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study and the ledger are on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a resumed sweep reads the study and the ledger."""

    def _next_trial(self) -> optuna.Trial | None:
        if self._unfinished:
            left = self._unfinished.pop(0)
            self._study.sampler = _sampler(self._sweep.search, left.number)
            # What it was given already comes from the storage; only what a kill cut off is drawn.
            return optuna.Trial(self._study, left._trial_id)
        trials = self._study.get_trials(deepcopy=False)
        number = sum(trial.state != OptunaState.WAITING for trial in trials)
        if number >= self._sweep.total_trials():
            return None
        self._study.sampler = _sampler(self._sweep.search, number)
        strategies = self._sweep.strategies()
        if self._sweep.budget.trials_per_strategy is not None and number == len(trials):
            # In turn, so that every strategy gets its share of the search, early and late.
            self._study.enqueue_trial({"strategy": strategies[number % len(strategies)]})
        return self._study.ask()


def _sampler(search: Search, number: int) -> optuna.samplers.BaseSampler:
    # Seeded per trial: a sampler's own generator would not survive a kill. Hashed: neighbouring seeds draw alike.
    seed = int(content_hash(f"{search.seed}", f"{number}")[:8], 16)
    if search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # `group` is marked experimental; without it multivariate TPE cannot model conditional parameters.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=search.startup_trials, multivariate=True, group=True, constant_liar=True
        )
