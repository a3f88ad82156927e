"""What validation preferred is trained again with seeds that the search has not seen, from those seeds' baselines."""

from dataclasses import dataclass
from typing import Any

from intelligen.sweep.callbacks import FINISHED, DrivenSearcher, kept_errors
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.trials import let_trial_go_on, settle_trial
from intelligen.sweep.verdict import forget_verdicts
from intelligen.sweep.workers import WorkerConfig
from intelligen.tracking.leaderboard import best_by_strategy
from intelligen.tracking.records import TrialRecord, TrialState


@dataclass(frozen=True)
class Repetition:
    """A trial of the search, to be trained with another seed."""

    of: TrialRecord
    seed: int

    @property
    def id(self) -> str:
        """`generative-s2`: its name in the ledger."""
        return f"{self.of.strategy}-s{self.seed}"


def repetitions_left(run: SweepRun) -> list[Repetition]:
    """What has not ended yet, seed by seed; nothing once each strategy's best trial was repeated with all seeds."""
    if not run.confirmation_seeds:
        return []
    trials = run.ledger.trials
    chosen = best_by_strategy(run.directory, trials, metric=run.sweep.objective.metric).values()
    wanted = [Repetition(record, seed) for seed in run.confirmation_seeds for record in chosen]
    return [one for one in wanted if one.id not in trials or trials[one.id].state is TrialState.RUNNING]


class RepetitionSearcher(DrivenSearcher):
    """Hands repetitions out in their order. Nobody stops them early.

    Args:
        run: The launch.
        repetitions: What is to be trained, or to go on.

    """

    def __init__(self, run: SweepRun, repetitions: list[Repetition]) -> None:
        super().__init__(run.sweep)
        self._run = run
        self._left = list(repetitions)
        self._running: dict[str, str] = {}

    @kept_errors(FINISHED)
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Tune's question: what next?"""
        if not self._left:
            return FINISHED
        repetition = self._left.pop(0)
        self._running[trial_id] = repetition.id
        return dict(_begin(self._run, repetition))

    @kept_errors(None)
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch has ended, and so it goes on."""
        if self.metric in result:
            let_trial_go_on(self._run, self._running[trial_id], result["training_iteration"])

    @kept_errors(None)
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Write its end into the ledger."""
        settle_trial(self._run, self._running.pop(trial_id), crashed=error)


def _begin(run: SweepRun, repetition: Repetition) -> WorkerConfig:
    trial = run.repeated(repetition.of, seed=repetition.seed)
    directory = run.directory / "confirm" / repetition.id
    forget_verdicts(directory)
    run.begin(
        repetition.id,
        trial,
        directory,
        kind="confirm",
        params=repetition.of.params,
        confirms=repetition.of.id,
    )
    return run.worker_config(trial, directory, run.sweep.resources)
