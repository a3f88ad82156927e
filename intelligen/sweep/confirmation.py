"""Confirmation stage: the best configurations are trained again with fresh seeds."""

from dataclasses import dataclass
from functools import partial

from intelligen.analysis.strategy_table import best_by_row
from intelligen.state import layout
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import read_trial
from intelligen.sweep.execution.epoch_gate import close_gate
from intelligen.sweep.execution.fixed_trials import run_fixed_trials
from intelligen.sweep.execution.idle_scoring import Untested
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.sweep_context import SweepContext


@dataclass(frozen=True)
class Repetition:
    """A trial of the search, to be trained with another seed."""

    of: TrialRecord
    seed: int

    @property
    def id(self) -> str:
        """`generative-s2`: its name in the ledger."""
        return f"{self.of.row}-s{self.seed}"


def repetitions_left(context: SweepContext) -> list[Repetition]:
    """Repetitions that have not ended yet, seed by seed."""
    if not context.rows.confirmation_seeds:
        return []
    trials = context.ledger.trials
    chosen = best_by_row(context.directory, trials, metric=context.sweep.objective.metric).values()
    wanted = [Repetition(record, seed) for seed in context.rows.confirmation_seeds for record in chosen]
    return [one for one in wanted if one.id not in trials or trials[one.id].state is TrialState.RUNNING]


def train_repetitions(context: SweepContext, untested: Untested | None = None) -> None:
    """Train what has not ended yet.

    Args:
        context: The launch.
        untested: What is scored meanwhile.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    left = {one.id: partial(_begin, context, one) for one in repetitions_left(context)}
    run_fixed_trials(context, left, resources=context.sweep.resources, name="confirm", untested=untested)


def _begin(context: SweepContext, repetition: Repetition) -> WorkerConfig:
    searched = read_trial(context.directory_of(repetition.of))
    trial = context.rows.repeated(searched, row=repetition.of.row, seed=repetition.seed)
    directory = layout.repeated(context.directory, repetition.id)
    close_gate(directory)
    context.begin(
        repetition.id,
        trial,
        directory,
        kind="confirm",
        row=repetition.of.row,
        params=repetition.of.params,
        confirms=repetition.of.id,
    )
    return context.worker_config(trial, directory, context.sweep.resources, row=repetition.of.row)
