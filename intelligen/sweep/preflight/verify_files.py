"""Verifies ended trials before a launch goes on: the ledger against their files."""

from dataclasses import replace

from intelligen.analysis.strategy_table import USABLE
from intelligen.analysis.trial_outcome import Outcome, read_outcome
from intelligen.data.prepared_data import Prepared
from intelligen.errors import StorageError
from intelligen.state import layout
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.trial_integrity import FIX, require_as_ended, require_settings
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.sweep.sweep_context import SweepContext
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.scores_file import require_scored


def require_files(context: SweepContext) -> None:
    """Refuse to go on over ended trials whose files are gone, damaged or changed.

    Raises:
        StorageError: There is one of these.

    """
    for record in context.ledger.trials.values():
        directory = context.directory_of(record)
        if record.state in USABLE or (record.state is TrialState.FAILED and record.kind != "baseline"):
            known_outcome(context, record)
        if record.state in USABLE:
            require_settings(record, directory)
        if record.scores:
            require_scored(directory, record.scores, own_search=record.config["decoding"]["test"]["name"])


def require_data(context: SweepContext, prepared: Prepared) -> None:
    """Refuse data that are other than those of the trials so far, and of the baselines that are there already.

    Raises:
        ChangedError: They are.
        StorageError: A manifest or the data are damaged.

    """
    records = map(context.directory_of, context.ledger.trials.values())
    baselines = (layout.baseline(context.store, trial.identity) for trial in context.baselines)
    for directory in dict.fromkeys([*records, *baselines]):
        require_same_data(directory, prepared)


def known_outcome(context: SweepContext, record: TrialRecord) -> Outcome:
    """The outcome of an ended trial by its files, with the ledger's stop reason.

    Raises:
        StorageError: They are damaged, or say something else than the ledger.

    """
    directory = context.directory_of(record)
    TrialHistories(context.directory).whole(record)
    failed = record.state is TrialState.FAILED
    outcome = read_outcome(directory, objectives=context.metrics, crashed=failed, stopped=record.stop_reason)
    require_as_ended(record, directory, outcome.curve)
    if outcome.state is not record.state:
        raise StorageError(f"{directory}: {record.id} was {record.state}, but its files say {outcome.state}; {FIX}")
    return replace(outcome, reason=record.stop_reason or outcome.reason)
