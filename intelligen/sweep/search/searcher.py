"""Searcher for Ray Tune: hands out trials until a budget is spent; unfinished ones come first."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from intelligen.analysis.trial_outcome import Outcome
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError
from intelligen.sweep.budget_account import Spent, rows_left, search_end
from intelligen.sweep.execution.retries import Next
from intelligen.sweep.execution.tune_callbacks import FINISHED, DrivenSearcher, kept_errors
from intelligen.sweep.schedulers.population import Populations
from intelligen.sweep.search.ask import FIXED, ask_trial
from intelligen.sweep.search.define_by_run import suggest
from intelligen.sweep.search.grid import grid_points
from intelligen.sweep.search.optuna_study import EXPLOITS, is_own, row_of, tell
from intelligen.sweep.search.warm_start import POINT, untried_point

Given = tuple[dict[str, Any], dict[str, Any]]
"""Parameters that a trial is to have, and what its user attributes say of them."""


@dataclass(frozen=True)
class Suggestion:
    """One trial that the search wants run."""

    number: int
    """Optuna's, from 0."""
    params: dict[str, Any]
    """As Optuna names them."""
    changes: dict[str, Any]
    """Dotted experiment key → value."""
    attributes: dict[str, Any]
    """What the study knows of it beside its parameters: `user` and `system` attributes, from which it is rebuilt."""
    begins: bool = True
    """Whether an attempt begins; none does where a trial of a population goes on after an interval."""


class TrialLifecycle(Protocol):
    """Lifecycle of a suggestion outside the study: it starts or is refused, its attempts may fail, and it ends."""

    def start(self, suggestion: Suggestion) -> Mapping[str, Any]:
        """Make it a trial, before it runs; returns Tune's configuration, with the trial's `epochs`.

        Raises:
            ConfigError: Its values do not go together.

        """

    def refuse(self, suggestion: Suggestion, reason: str) -> Outcome:
        """End a suggestion that `start` refused; returns what came of it."""

    def attempt_failed(self, number: int, error: BaseException) -> Next:
        """An attempt at a trial has ended by an error; returns what follows."""

    def continue_trial(self, number: int, epoch: int) -> None:
        """Let a trial go on after the report of this epoch, with which it was not stopped."""

    def end(self, number: int, *, crashed: bool = False, stopped: str | None = None) -> Outcome:
        """End a trial; returns what came of it.

        Args:
            number: The trial's.
            crashed: Whether it crashed at every attempt.
            stopped: Why the budget ended it, where it did.

        """


class StudySearcher(DrivenSearcher):
    """Tune's searcher over an Optuna study that outlives the launcher.

    Trials that an earlier launch left running come first, with the same parameters; then new ones until the
    budget is spent. The draw of a trial depends on its number and on the history alone, so a sequential sweep
    that was killed and resumed suggests what an undisturbed one does.

    Args:
        study: Where the truth about trials is kept.
        sweep: Space, sampler, budget.
        spent: Whether a budget other than that of trials has been used up.
        trials: The lifecycle of suggestions outside the study.
        populations: Pauses trials and lets them go on; None where each trains to its end at once.

    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        sweep: Sweep,
        spent: Spent,
        trials: TrialLifecycle,
        populations: Populations | None = None,
    ) -> None:
        super().__init__(sweep)
        self._study = study
        self._sweep = sweep
        self._spent = spent
        self._trials = trials
        self._populations = populations
        self._begun: set[int] = set()
        self._running: dict[str, optuna.Trial] = {}
        self._epochs: dict[str, int] = {}
        self._stopped: dict[str, str] = {}
        known = populations.idle(()) if populations is not None else {}
        running = [trial for trial in study.trials if trial.state == OptunaState.RUNNING]
        self._unfinished = [trial for trial in running if trial.number not in known]
        self._grid = list(grid_points(sweep.searched)) if sweep.search.sampler == "grid" else []

    def running(self) -> Collection[str]:
        """Tune's names of the attempts under way."""
        return list(self._running)

    def is_over(self) -> bool:
        """Whether all trials have ended, and the budget allows no further one."""
        own = self._own_trials()
        return all(trial.state.is_finished() for trial in own) and self._end(own) is not None

    @kept_errors(True)
    def stops(self, trial_id: str, epoch: int) -> bool:
        """Whether a running trial ends with this epoch, because its budget is spent."""
        if epoch >= self._epochs[trial_id]:
            return False  # after its last epoch a trial selects its weights, and stopping it saves nothing
        trial = self._running[trial_id]
        reason = self._spent(None) or self._spent(trial.params.get(self._sweep.row_parameter))
        if reason is not None:
            self._stopped[trial_id] = reason
        return reason is not None

    @kept_errors(FINISHED)
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Called by Tune for the next trial."""
        if self._alone and self._must_wait(self._busy(), self._pending()):
            return None
        while (trial := self._next_interval() or self._next_trial()) is not None:
            changes = suggest(trial, self._sweep.searched)
            begins, attributes = trial.number not in self._begun, self._attributes(trial)
            suggestion = Suggestion(trial.number, dict(trial.params), changes, attributes, begins=begins)
            try:
                config = dict(self._trials.start(suggestion))
            except ConfigError as error:
                # Values that are allowed each, but not together: the trial fails, and the search goes on.
                tell(self._study, trial.number, self._trials.refuse(suggestion, str(error)))
                continue
            self._running[trial_id], self._epochs[trial_id] = trial, config["epochs"]
            self._begun.add(trial.number)
            return config
        # What comes next depends on those that train now: one may have to run again, or end its population's turn.
        return None if self._running else FINISHED

    @kept_errors(None)
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch after which the trial goes on. Its objective is for those who watch the study."""
        if self.metric not in result:
            return
        trial, epoch = self._running[trial_id], result["training_iteration"]
        known = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        # Optuna keeps no curves of several objectives. A trial that a kill interrupted sends its last report again.
        if len(self._study.directions) == 1 and epoch not in known:
            trial.report(result[self.metric], step=epoch)
        self._trials.continue_trial(trial.number, epoch)

    @kept_errors(None)
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how the trial ended; one of a population may only have ended its interval."""
        if error:
            return  # `on_attempt_failed` gets the error
        trial, stopped = self._running.pop(trial_id), self._stopped.pop(trial_id, None)
        if self._populations is not None and stopped is None and self._populations.is_paused(trial.number):
            return
        tell(self._study, trial.number, self._trials.end(trial.number, stopped=stopped))

    @kept_errors(None)
    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        """Hand the trial out again where another attempt follows; else tell Optuna that it has failed."""
        trial, stopped = self._running.pop(trial_id), self._stopped.pop(trial_id, None)
        if self._is_again(trial.number, self._trials.attempt_failed(trial.number, error)):
            if self._populations is None:  # which hand out whatever is under way and idle
                self._unfinished.insert(0, self._study.get_trials(deepcopy=False)[trial.number])
            return
        tell(self._study, trial.number, self._trials.end(trial.number, crashed=True, stopped=stopped))

    def _busy(self) -> set[int]:
        return {trial.number for trial in self._running.values()}

    def _pending(self) -> list[int]:
        """Trials under way that nothing works on."""
        idle = [] if self._populations is None else list(self._populations.idle(self._busy()))
        return [trial.number for trial in self._unfinished] + idle

    def _attributes(self, trial: optuna.Trial) -> dict[str, Any]:
        known = self._study.get_trials(deepcopy=False)[trial.number]
        # Its parameters are known without what they were given by.
        noted = {name: value for name, value in known.system_attrs.items() if name != FIXED}
        return {"user": dict(known.user_attrs), "system": noted}

    def _own_trials(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if is_own(trial) and trial.state != OptunaState.WAITING]

    def _started(self, own: list[FrozenTrial]) -> Counter[str]:
        """Row → its trials."""
        return Counter(row_of(trial, self._sweep) for trial in own)

    def _end(self, own: list[FrozenTrial]) -> str | None:
        return search_end(self._sweep, self._started(own), self._spent)

    def _next_interval(self) -> optuna.Trial | None:
        """A trial of a population that goes on; paused ones end where their budget is spent."""
        if self._populations is None:
            return None
        busy = self._busy()
        for number, record in self._populations.idle(busy).items():
            reason = self._spent(None) or self._spent(record.row)
            if reason is not None:
                tell(self._study, number, self._trials.end(number, stopped=reason))
        if (due := self._populations.due(busy, complete=self._is_complete)) is None:
            return None
        number, record = due
        trial = self._known(self._study.get_trials(deepcopy=False)[number])
        if record.exploits:
            trial.set_user_attr(EXPLOITS, [asdict(exploit) for exploit in record.exploits])
        return trial

    def _is_complete(self, row: str) -> bool:
        """Whether no further trial of a row will be started."""
        own = self._own_trials()
        candidates = self._candidates(own)
        return not self._unfinished and (self._end(own) is not None or (bool(candidates) and row not in candidates))

    def _next_trial(self) -> optuna.Trial | None:
        if self._unfinished:
            return self._known(self._unfinished.pop(0))
        own = self._own_trials()
        # Before the question whether the search has ended: a row that is left then was left before.
        candidates = self._candidates(own)
        if self._end(own) is not None:
            return None
        trials = self._study.get_trials(deepcopy=False)
        if all(trial.state != OptunaState.WAITING for trial in trials):
            given, attributes = self._given(own, candidates)
            trial = ask_trial(self._study, self._sweep, number=len(trials), given=given, attributes=attributes)
            self._study.add_trial(trial)
        # A kill here leaves the trial waiting, with all its parameters.
        return self._study.ask()

    def _known(self, trial: FrozenTrial) -> optuna.Trial:
        """A trial that was begun earlier; its parameters come from the storage."""
        return optuna.Trial(self._study, trial._trial_id)

    def _candidates(self, own: list[FrozenTrial]) -> list[str]:
        """The rows that may have the next trial, the next in round robin first; empty where any may."""
        if not self._sweep.round_robin():
            return []
        return rows_left(self._sweep, self._started(own), self._spent)

    def _given(self, own: list[FrozenTrial], candidates: list[str]) -> Given:
        """Values that the sampler does not draw: a point of the user's, the row in round robin, the grid's."""
        parameter = self._sweep.row_parameter
        first: dict[str, Any] = {parameter: candidates[0]} if candidates else {}
        tried = {trial.user_attrs[POINT] for trial in own if POINT in trial.user_attrs}
        if (found := untried_point(self._study, tried, parameter=parameter, allowed=candidates)) is not None:
            number, point = found
            return first | point, {POINT: number}
        if self._grid:
            mine = [point for point in self._grid if not candidates or point[parameter] == candidates[0]]
            return mine[sum(not candidates or row_of(trial, self._sweep) == candidates[0] for trial in own)], {}
        # In turn, so that every row gets its share of the search, early and late.
        return first, {}
