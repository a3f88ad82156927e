"""Verifies ended trials before a launch goes on: the ledger against their files."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from intelligen.analysis.strategy_table import USABLE
from intelligen.analysis.trial_outcome import Outcome, read_outcome
from intelligen.config.schema.experiment import Trial
from intelligen.data.prepared_data import Prepared
from intelligen.errors import StorageError
from intelligen.state import layout
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.trial_integrity import FIX, require_as_ended, require_settings
from intelligen.state.trial_records import SHARED, TrialRecord, TrialState
from intelligen.state.trial_result import read_result
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
        if record.state in USABLE or (record.state is TrialState.FAILED and record.kind not in SHARED):
            known_outcome(context, record)
        if record.state in USABLE:
            require_settings(record, directory)
        if record.scores:
            require_scored(directory, record.scores, own_search=record.config["decoding"]["test"]["name"])


def require_data(context: SweepContext, prepared: Collection[Prepared]) -> None:
    """Refuse data that are other than those of the trials so far, and of what they start from and is there already.

    Args:
        context: The launch.
        prepared: All data that the sweep uses.

    Raises:
        ChangedError: They are.
        StorageError: A manifest or the data are damaged.

    """
    records = context.ledger.trials.values()
    used = {context.directory_of(record): str(record.config.get("prepared")) for record in records}

    def place(shared: Trial) -> Path:
        return layout.baseline(context.store, shared.identity)

    baselines = context.rows.baselines_after(lambda pretraining: read_result(place(pretraining)) is not None)
    used |= {place(one): one.prepared for one in (*context.rows.pretrainings.values(), *baselines.values())}
    known = {one.identity: one for one in prepared}
    for directory, identity in used.items():
        if identity in known:
            require_same_data(directory, known[identity])


def known_outcome(context: SweepContext, record: TrialRecord) -> Outcome:
    """The outcome of an ended trial by its files, with the ledger's stop reason.

    Raises:
        StorageError: They are damaged, or say something else than the ledger.

    """
    directory = context.directory_of(record)
    TrialHistories(context.directory).whole(record)
    failed = record.state is TrialState.FAILED
    objectives = context.metrics_of(record)
    outcome = read_outcome(directory, objectives=objectives, crashed=failed, stopped=record.stop_reason)
    require_as_ended(record, directory, outcome.curve)
    if outcome.state is not record.state:
        raise StorageError(f"{directory}: {record.id} was {record.state}, but its files say {outcome.state}; {FIX}")
    return replace(outcome, reason=record.stop_reason or outcome.reason)
