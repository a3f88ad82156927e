"""Verifies ended trials before a launch goes on: the ledger against their files."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace

from intelligen.analysis.strategy_table import USABLE
from intelligen.analysis.trial_outcome import Outcome, read_outcome
from intelligen.config.load import row_experiments
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.learned_metric import open_learned
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.config.schema.tasks import task_settings
from intelligen.data.prepared_data import Prepared
from intelligen.errors import StorageError
from intelligen.state import layout
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.pretrained_place import placed
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
            writes = task_settings(record.config).writes_text
            own_search = record.config["decoding"]["test"]["name"] if writes else None
            require_scored(directory, record.scores, own_search=own_search)


def require_data(context: SweepContext, prepared: Collection[Prepared]) -> None:
    """Refuse data that are other than those of the trials so far, and of the baselines that are there already.

    Args:
        context: The launch.
        prepared: All data that the sweep uses.

    Raises:
        ChangedError: They are.
        StorageError: A manifest or the data are damaged.

    """
    records = context.ledger.trials.values()
    used = {context.directory_of(record): str(record.config.get("prepared")) for record in records}
    used |= {layout.baseline(context.store, one.identity): one.prepared for one in _known_starts(context)}
    known = {one.identity: one for one in prepared}
    for directory, identity in used.items():
        if identity in known:
            require_same_data(directory, known[identity])


def require_pretrained(context: SweepContext) -> None:
    """Refuse pre-trained models, and a learned metric, that are gone or other than those that the sweep began with.

    Raises:
        ChangedError: Their files have changed.
        DataError: They are gone, or no pre-trained models any more.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    experiments = row_experiments(context.sweep, context.experiment).values() or (context.experiment,)
    now = [one.model for one in experiments if isinstance(one.model, Pretrained)]
    files = {model.found.files for model in now}
    # Only an adapter is read again beside a model that lies where it lay: others may have been moved.
    begun = [model for model in _begun_with(context) if model.lora is not None or model.found.files not in files]
    for model in {(model.found.path, model.found.files): model for model in (*begun, *now)}.values():
        here = placed(model, context.store)
        assert isinstance(here, Pretrained)
        open_as_resolved(here.found)
    if context.sweep.test.learned_metric is not None:
        open_learned(context.sweep.test.learned_metric)


def _begun_with(context: SweepContext) -> Iterator[Pretrained]:
    for record in context.ledger.trials.values():
        model = Trial.model_validate_json(json.dumps(record.config)).model
        if isinstance(model, Pretrained):
            yield model


def _known_starts(context: SweepContext) -> Iterator[Trial]:
    """Pre-trainings and baselines; these only once those have finished, whose weights are part of their identities."""
    pretrainings = [one.trial for one in context.rows.pretrainings.values()]
    yield from pretrainings
    if all(read_result(layout.baseline(context.store, one.identity)) is not None for one in pretrainings):
        yield from (one.trial for one in context.rows.baselines.values())


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
