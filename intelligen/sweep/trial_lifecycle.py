"""Lifecycle of a searched trial: in the ledger before it runs, its end read from its files."""

import os

import optuna
from optuna.trial import TrialState as OptunaState

from intelligen.analysis.trial_outcome import Outcome, read_outcome
from intelligen.config.schema.replicates import Replicate
from intelligen.state import layout
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.trial_integrity import take_evidence
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.sweep.budget_account import Account, Spent, UsedUp
from intelligen.sweep.cluster.cluster_monitor import require_cluster
from intelligen.sweep.execution.epoch_gate import close_gate, open_gate
from intelligen.sweep.execution.retries import Attempts, Next
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.preflight.verify_files import known_outcome
from intelligen.sweep.schedulers.early_stopping import EndedTrial
from intelligen.sweep.schedulers.population import Populations
from intelligen.sweep.search.define_by_run import chosen_row
from intelligen.sweep.search.optuna_study import tell
from intelligen.sweep.search.searcher import Suggestion
from intelligen.sweep.sweep_context import SweepContext


def trial_name(number: int, replicate: Replicate | None = None) -> str:
    """The trial's name in the ledger, by Optuna's number; of several searches each has numbers of its own."""
    return f"t{number:04d}" if replicate is None else f"r{replicate.number}-t{number:04d}"


class SearchedTrials:
    """The trials of one launch's search: they are in the ledger before they run, and end by what their files say.

    Args:
        context: The launch.
        populations: They know how far a trial trains now, and with what; none where each trains to its end.

    """

    def __init__(self, context: SweepContext, populations: Populations | None = None) -> None:
        self._context = context
        self._populations = populations
        self._attempts = Attempts(context, context.sweep.resources)

    def start(self, suggestion: Suggestion) -> WorkerConfig:
        """Make a suggestion a trial.

        Raises:
            ConfigError: Its values do not go together.

        """
        context, name = self._context, self._name(suggestion.number)
        trial = context.rows.trial(suggestion.changes)
        directory, row = layout.searched(context.directory, name), context.rows.row_of(suggestion.changes)
        if suggestion.begins:
            close_gate(directory)
            context.begin(
                name,
                trial,
                directory,
                kind="trial",
                row=row,
                params=suggestion.params,
                number=suggestion.number,
                attributes=suggestion.attributes,
            )
        interval = None if self._populations is None else self._populations.interval(context.ledger.trials[name])
        return context.worker_config(trial, directory, context.sweep.resources, row=row, interval=interval)

    def refuse(self, suggestion: Suggestion, reason: str) -> Outcome:
        """Record a trial whose values are not allowed: what was asked for, and which rule it breaks."""
        context, name = self._context, self._name(suggestion.number)
        if name not in context.ledger.trials:
            context.ledger.start(
                name,
                kind="trial",
                row=chosen_row(suggestion.changes, context.experiment),
                seed=context.experiment.seed,
                params=suggestion.params,
                config=suggestion.changes,
                directory=os.path.relpath(layout.searched(context.directory, name), context.directory),
                number=suggestion.number,
                attributes=suggestion.attributes,
            )
        outcome = Outcome(TrialState.FAILED, f"its values are incompatible: {' '.join(reason.split())}")
        context.ledger.finish(name, outcome.state, outcome.reason)
        return outcome

    def attempt_failed(self, number: int, error: BaseException) -> Next:
        """Decide what follows an attempt that ended by an error.

        Raises:
            IntelligenError: A fault of host or cluster, which ends the launch.

        """
        return self._attempts.failed(self._name(number), error)

    def continue_trial(self, number: int, epoch: int) -> None:
        """Have a trial of several workers go on after an epoch."""
        continue_trial(self._context, self._name(number), epoch)

    def end(self, number: int, *, crashed: bool = False, stopped: str | None = None) -> Outcome:
        """Write a trial's end into the ledger; as `end_trial`."""
        return end_trial(self._context, self._name(number), crashed=crashed, stopped=stopped)

    def _name(self, number: int) -> str:
        return trial_name(number, self._context.replicate)


def end_trial(context: SweepContext, name: str, *, crashed: bool, stopped: str | None = None) -> Outcome:
    """Write a trial's end into the ledger.

    Args:
        context: The launch.
        name: The trial's.
        crashed: Whether its processes died at every attempt that it had.
        stopped: Why the budget ended it, where it did.

    Raises:
        ClusterLostError: It failed, but its cluster is gone: it runs again once there is one.

    """
    record = context.ledger.trials[name]
    objectives = context.metrics_of(record)
    outcome = read_outcome(context.directory_of(record), objectives=objectives, crashed=crashed, stopped=stopped)
    if outcome.state is TrialState.FAILED:
        require_cluster()
    evidence = take_evidence(record, context.directory_of(record), outcome.curve)
    context.ledger.finish(record.id, outcome.state, outcome.reason, evidence=evidence)
    return outcome


def reopen_failed(context: SweepContext) -> tuple[list[str], dict[tuple[UsedUp, ...], list[str]]]:
    """Have the trials that failed run again, from their last checkpoints, as far as they may; returns `reopenable`.

    They are the same trials of the same budget, so in the ledger they go on, and the study follows the ledger.
    """
    again, unpaid = reopenable(context)
    for name in again:
        context.ledger.restart(name)
        context.reopened.add(name)
    return again, unpaid


def reopenable(context: SweepContext) -> tuple[list[str], dict[tuple[UsedUp, ...], list[str]]]:
    """The trials that failed and may run again.

    A trial of a row that is being confirmed stays failed: which trial its repetitions repeat must not change any more.
    So does one of a row whose own control has its ratio: which trial that is fixed by must not change either.

    Returns:
        The names of those that may, and for bounds of the budget that are used up the names of those that they keep
        from that.

    """
    again, unpaid = list[str](), dict[tuple[UsedUp, ...], list[str]]()
    for search in context.searches:
        account = account_of(search, searching=False)
        fixed = _rows_with_a_fixed_best(search)
        for record in failed_trials(search):
            if record.kind == "trial" and record.row in fixed:
                continue
            if record.suggested and (bounds := account.used_up(record.row)):
                unpaid.setdefault(bounds, []).append(record.id)
            else:
                again.append(record.id)
    return again, unpaid


def _rows_with_a_fixed_best(context: SweepContext) -> set[str]:
    """Of one search: those that are being confirmed, or whose own control is trained for as long as their best."""
    own = context.sweep.own_controls()
    confirmed = {record.row for record in context.trials.values() if record.kind == "confirm"}
    return confirmed | {own[control] for control in context.updates_ratios}


def account_of(context: SweepContext, *, searching: bool) -> Account:
    """What a search has spent; arguments as of `Account`."""
    return Account(
        context.sweep.budget, context.ledger, context.directory, searching=searching, replicate=context.replicate
    )


def failed_trials(context: SweepContext) -> list[TrialRecord]:
    """Those of the search and of the confirmation that failed."""
    trials = context.trials.values()
    return [one for one in trials if one.kind in ("trial", "confirm") and one.state is TrialState.FAILED]


def continue_trial(context: SweepContext, name: str, epoch: int) -> None:
    """Have a trial of several workers go on after an epoch; one of one worker waits in its report to Tune."""
    if context.sweep.resources.workers > 1:
        open_gate(context.directory_of(context.ledger.trials[name]), epoch)


def tell_known_ends(context: SweepContext, study: optuna.Study, spent: Spent) -> None:
    """End the trials that a killed launch left running in the study, and that have ended or have no budget left."""
    for trial in study.get_trials(states=(OptunaState.RUNNING,)):
        record = context.ledger.trials.get(trial_name(trial.number, context.replicate))
        if record is None:
            continue  # killed before it was written down: it is suggested again
        if record.state is TrialState.RUNNING:
            reason = spent(None) or spent(record.row)
            if reason is not None:
                tell(study, trial.number, end_trial(context, record.id, crashed=False, stopped=reason))
            continue
        tell(study, trial.number, known_outcome(context, record))


def ended_trials(context: SweepContext) -> list[EndedTrial]:
    """Those that earlier launches brought to an end, with their histories."""
    histories = TrialHistories(context.directory)
    return [
        EndedTrial(record.id, record.row, tuple(histories.reports(record)))
        for record in context.trials.values()
        if record.kind == "trial" and record.state is not TrialState.RUNNING
    ]
