"""Confirmation stage: the best configurations are trained again with fresh seeds, all at once or look by look."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial

from intelligen.analysis.comparisons import next_round
from intelligen.analysis.strategy_table import best_by_row
from intelligen.analysis.study import read_study
from intelligen.state import layout
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import read_trial
from intelligen.sweep.baselines import train_baselines
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
    """Repetitions that have not ended yet, search by search, and of each seed by seed."""
    if not context.rows.confirmation_seeds:
        return []
    trials = context.ledger.trials
    planned = [one for search in context.searches for one in _planned(search)]
    wanted = [one for one in planned if _is_left(trials.get(one.id))]
    return wanted or [one for one in _after_looks(context) if _is_left(trials.get(one.id))]


def has_looks(context: SweepContext) -> bool:
    """Whether test scores decide which repetitions are trained; they choose no configuration and no weights."""
    return context.sweep.confirm is not None and context.sweep.confirm.until is not None


def _is_left(record: TrialRecord | None) -> bool:
    return record is None or record.state is TrialState.RUNNING


def _chosen(context: SweepContext) -> Collection[TrialRecord]:
    """The best trial of each row in one search."""
    return best_by_row(context.directory, context.trials, metric=context.sweep.objective.metric).values()


def _planned(context: SweepContext) -> Iterable[Repetition]:
    """Those of one search that are trained in any case."""
    (_, *seeds), chosen = context.rows.seeds, _chosen(context)
    return [Repetition(record, seed) for seed in seeds for record in chosen]


def _after_looks(context: SweepContext) -> Iterable[Repetition]:
    """Those that the next look at a sequential study needs; none before all scores of the last one are there."""
    if not has_looks(context):
        return []
    following = next_round(read_study(context.directory, store=context.store))
    if following is None:
        return []
    chosen = [record for record in _chosen(context) if record.row in following.rows]
    return [Repetition(record, seed) for seed in following.seeds for record in chosen]


def train_repetitions(context: SweepContext, untested: Untested | None = None) -> None:
    """Train what has not ended yet, after the baselines of its seeds.

    Args:
        context: The launch.
        untested: What is scored meanwhile.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    repetitions = repetitions_left(context)
    train_baselines(context, sorted({one.seed for one in repetitions}))
    left = {one.id: partial(_begin, context, one) for one in repetitions}
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
