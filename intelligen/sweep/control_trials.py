"""Trials of own controls, after the search: teacher forcing at the points of a strategy's trials, as long as they take.

How many times the updates that is, is fixed once, from epochs of the search, and kept in the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from intelligen.analysis.matched_updates import updates_ratio
from intelligen.analysis.strategy_table import USABLE, best_by_row
from intelligen.config.schema.declarations import STANDARD
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.rows import STRATEGY
from intelligen.config.schema.setting_paths import resolve_key
from intelligen.config.schema.single_strategies import StandardMatched
from intelligen.state import layout
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.trial_records import ParameterValue, TrialRecord, TrialState
from intelligen.state.trial_result import TRIAL, read_trial
from intelligen.sweep.execution.epoch_gate import close_gate
from intelligen.sweep.execution.fixed_trials import run_fixed_trials
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.schedulers.early_stopping import scheduler
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import ended_trials


@dataclass(frozen=True)
class ControlTrial:
    """An own control at the point of a strategy's trial."""

    row: str
    of: TrialRecord

    @property
    def id(self) -> str:
        """`seqgan_matched-t0003`: its name in the ledger."""
        return f"{self.row}-{self.of.id}"

    def trial(self, context: SweepContext, *, ratio: float) -> Trial:
        """The strategy's trial with another strategy."""
        searched = read_trial(context.directory_of(self.of))
        return searched.model_copy(update={"strategy": StandardMatched(updates_ratio=ratio)})


def control_trials_left(context: SweepContext) -> list[ControlTrial]:
    """Those of one search that have not ended yet, point by point; it has ended."""
    known = context.trials
    return [one for one in _wanted(context) if one.id not in known or known[one.id].state is TrialState.RUNNING]


def train_control_trials(context: SweepContext) -> None:
    """Fix the ratios of one search that are not fixed yet, and train what has not ended yet.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    if not context.sweep.own_controls():
        return
    _fix_ratios(context)
    left = {one.id: partial(_begin, context, one) for one in control_trials_left(context)}
    stopping = scheduler(context.sweep, epochs=context.rows.epochs, ended=ended_trials(context))
    run_fixed_trials(context, left, resources=context.sweep.resources, name="controls", scheduler=stopping)


def _wanted(context: SweepContext) -> Iterator[ControlTrial]:
    """Every point once, of the strategies that have a trial to be compared: some trials differ in nothing else."""
    own = context.sweep.own_controls()
    for row in _measured(context):
        seen = set[str]()
        for record in context.trials.values():
            # A trial whose values do not go together, or which no process began, is no point.
            if record.suggested and record.row == own[row] and (context.directory_of(record) / TRIAL).exists():
                one = ControlTrial(row, record)
                if (point := one.trial(context, ratio=1.0).identity) not in seen:
                    seen.add(point)
                    yield one


def _measured(context: SweepContext) -> dict[str, TrialRecord]:
    """Own control → the best trial of its strategy, by whose epochs its ratio is fixed."""
    own = context.sweep.own_controls()
    if not own:
        return {}
    best = best_by_row(context.directory, context.trials, metric=context.sweep.objective.metric)
    return {row: best[strategy] for row, strategy in own.items() if strategy in best and STANDARD in best}


def _fix_ratios(context: SweepContext) -> None:
    histories, trials = TrialHistories(context.directory), context.trials.values()
    standard = [one for one in trials if one.suggested and one.row == STANDARD and one.state in USABLE]
    epochs = [reports for one in standard if (reports := histories.reports(one))]
    for row, chosen in _measured(context).items():
        if row not in context.updates_ratios:
            ratio = updates_ratio(histories.reports(chosen), epochs)
            context.ledger.fix_updates_ratio(row, ratio, trial_id=chosen.id)


def _begin(context: SweepContext, one: ControlTrial) -> WorkerConfig:
    trial = one.trial(context, ratio=context.updates_ratios[one.row])
    directory = layout.searched(context.directory, one.id)
    close_gate(directory)
    context.begin(one.id, trial, directory, kind="trial", row=one.row, params=_shared(one), matches=one.of.id)
    return context.worker_config(trial, directory, context.sweep.resources, row=one.row)


def _shared(one: ControlTrial) -> dict[str, ParameterValue]:
    """What both have of the strategy's parameters, under the names that the search gave them."""
    own = f"{one.of.row}/"
    shared: dict[str, ParameterValue] = {STRATEGY: one.row}
    for name, value in one.of.params.items():
        setting = resolve_key(STRATEGY, name.removeprefix(own)) if name.startswith(own) else name
        if setting.partition(".")[0] != STRATEGY:
            shared[name] = value
    return shared
