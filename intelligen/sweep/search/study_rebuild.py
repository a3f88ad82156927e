"""Rebuilds a study that is lost, damaged or differs from the ledger, from the ledger and the trials.

So a search never silently begins again, and a rebuilt study leads to the suggestions of an undisturbed one.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from intelligen.analysis.trial_outcome import Outcome
from intelligen.errors import StorageError
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.redaction import redact_text
from intelligen.state.stop_reason import current_reason
from intelligen.state.trial_integrity import FIX
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.sweep.preflight.verify_files import known_outcome
from intelligen.sweep.search.annotation_transfer import as_begun, carry_notes, with_notes
from intelligen.sweep.search.define_by_run import known_point
from intelligen.sweep.search.optuna_study import (
    DATABASE_ERRORS,
    EXPLOITS,
    OPTUNA_STATES,
    STOP_REASON,
    DamagedStudyError,
    end_attributes,
    finite_curve,
    is_own,
    open_study,
    replace_study,
    study_beside,
    study_file,
    study_unavailable,
    tell,
)
from intelligen.sweep.search.warm_start import POINTS, learnt_trials
from intelligen.sweep.sweep_context import SweepContext

_log = logging.getLogger(__name__)


def ledgers_study(context: SweepContext) -> optuna.Study:
    """The study of a search, which says what the ledger says; rebuilt, with a line in the log, where it did not.

    Where it only lacks that failed trials run again, it is rebuilt with these without a warning, as was asked for.

    Raises:
        StorageError: The ledger has lost trials, or does not hold what a study is rebuilt from.
        UnavailableError: The study's database does not answer.

    """
    url = context.sweep.search.storage
    try:
        return _ledgers_study(context)
    except DATABASE_ERRORS as error:
        if url is None:
            raise
        raise study_unavailable(url, error) from error


def _ledgers_study(context: SweepContext) -> optuna.Study:
    own, sweep_id, replicate = _own_trials(context), context.ledger.fingerprint["sweep_id"], context.replicate
    former = None
    try:
        former = open_study(context.directory, context.sweep, sweep_id=sweep_id, replicate=replicate)
        difference = _difference(context, former, own)
    except DamagedStudyError as damage:
        difference = str(damage)
    if former is not None and difference is None:
        found = former.get_trials(deepcopy=False)
        again = {number for number, one in own.items() if one.runs_again_in(found[number])}
        if not again:
            return former
        study = study_beside(context.directory, context.sweep, sweep_id=sweep_id, replicate=replicate)
        study.add_trials(as_begun(trial) if trial.number in again else trial for trial in found)
    else:
        study = _rebuilt(context, own, former)
    if former is not None:
        carry_notes(former, study)
    holds_something = former is None or bool(former.get_trials(deepcopy=False))
    kept = replace_study(context.directory, context.sweep, sweep_id=sweep_id, replicate=replicate, keep=holds_something)
    if difference is not None:
        _warn(context, f"the study {difference}; it was rebuilt from the ledger, with {len(own)} trials", kept)
    return open_study(context.directory, context.sweep, sweep_id=sweep_id, replicate=replicate)


def _warn(context: SweepContext, what: str, kept: str | None) -> None:
    url = context.sweep.search.storage
    where = study_file(context.directory, context.replicate) if url is None else f"search.storage: {redact_text(url)}"
    _log.warning("%s: %s%s", where, what, "" if kept is None else f"; what was there is kept as {kept}")


@dataclass(frozen=True)
class _LedgerTrial:
    """A trial that the sweep has begun, as ledger and files have it."""

    record: TrialRecord
    outcome: Outcome | None
    """None while it is under way."""
    begun: FrozenTrial
    """As the study had it when it began."""

    @classmethod
    def read(cls, context: SweepContext, record: TrialRecord) -> "_LedgerTrial":
        """As ledger and files have it now."""
        is_running = record.state is TrialState.RUNNING
        return cls(record, None if is_running else known_outcome(context, record), _begun(context, record))

    def agrees_with(self, found: FrozenTrial, *, curves: bool) -> bool:
        """Whether the study agrees with it; it may not know of its end yet."""
        begun = self.begun
        if not (is_own(found) and _point(found) == _point(begun) and _has_attributes(found, begun)):
            return False
        if not found.state.is_finished():
            return found.state == OptunaState.RUNNING
        if self.outcome is None:
            return self.runs_again_in(found)
        attributes, stated = end_attributes(self.outcome), dict(found.user_attrs)
        if STOP_REASON in stated:
            stated[STOP_REASON] = current_reason(stated[STOP_REASON])
        return (
            found.state == OPTUNA_STATES[self.outcome.state]
            and (found.state != OptunaState.COMPLETE or found.values == list(self.outcome.values))
            and (not curves or found.intermediate_values == finite_curve(self.outcome))
            # Earlier versions wrote none.
            and all(stated.get(name, value) == value for name, value in attributes.items())
        )

    def runs_again_in(self, found: FrozenTrial) -> bool:
        """Whether the study has it as failed, but the ledger has it run again since."""
        return self.outcome is None and found.state == OptunaState.FAIL


def _own_trials(context: SweepContext) -> dict[int, _LedgerTrial]:
    """Number → trial, in their order.

    Raises:
        StorageError: The files of one that has ended are not as they were, or its parameters lie in no space of ours.

    """
    numbered = {record.number: record for record in context.trials.values() if record.number is not None}
    return {number: _LedgerTrial.read(context, record) for number, record in sorted(numbered.items())}


def _begun(context: SweepContext, record: TrialRecord) -> FrozenTrial:
    try:
        params, distributions = known_point(context.sweep.searched, record.params)
    except ValueError as error:
        raise StorageError(f"{context.directory / LEDGER_FILE}: damaged ({record.id}: {error}); {FIX}") from error
    attributes = record.attributes or {"user": {}, "system": {}}
    exploited = {EXPLOITS: [asdict(one) for one in record.exploits]} if record.exploits else {}
    return create_trial(
        state=OptunaState.RUNNING,
        params=params,
        distributions=distributions,
        user_attrs={**attributes["user"], **exploited},
        system_attrs=dict(attributes["system"]),
    )


def _difference(context: SweepContext, study: optuna.Study, own: Mapping[int, _LedgerTrial]) -> str | None:
    """What the study does not say as the ledger does; trials that have not come into the ledger yet are none.

    Raises:
        StorageError: It has trials that ended, which the ledger has lost.

    """
    found, learnt = study.get_trials(deepcopy=False), learnt_trials(context.ledger.learnt, context.sweep)
    directions = [direction.name.lower() for direction in study.directions]
    if directions != [objective.direction for objective in context.sweep.all_objectives()]:
        return "has other objectives"
    if len(found) < (total := max([len(learnt) - 1, *own]) + 1):
        return f"holds {len(found)} of {total} trials"
    if context.ledger.learnt is not None and study.user_attrs.get(POINTS) != list(context.ledger.learnt.points):
        return "has other initial points"
    for number, trial in enumerate(found):
        if number < len(learnt):
            same = _lesson(trial) == _lesson(learnt[number])
        elif number in own:
            same = own[number].agrees_with(trial, curves=len(directions) == 1)
        elif is_own(trial) and trial.state.is_finished():
            raise StorageError(f"{context.directory / LEDGER_FILE}: trial {number}, which has ended, is missing; {FIX}")
        else:
            continue
        if not same:
            return f"differs in trial {number}"
    return None


def _rebuilt(context: SweepContext, own: Mapping[int, _LedgerTrial], former: optuna.Study | None) -> optuna.Study:
    """Make the study anew, beside the former one; none where that cannot be read.

    Raises:
        StorageError: The ledger does not say all that a study holds.

    """
    learnt = learnt_trials(context.ledger.learnt, context.sweep)
    # Known from the ledger since it holds attributes.
    needs_attributes = context.sweep.search.warm_start is not None or context.sweep.search.sampler == "nsga2"
    for expected, (number, one) in enumerate(own.items(), start=len(learnt)):
        if number != expected or (needs_attributes and one.record.attributes is None):
            raise StorageError(
                f"{context.directory / LEDGER_FILE}: too old to rebuild the study from: it does not record all causes"
                f" of {one.record.id}; restore the study from a copy, or start again under another name"
                " (intelligen run FILE -o name=…)"
            )
    trials = [*learnt, *(one.begun for one in own.values())]
    for number, known in enumerate(former.get_trials(deepcopy=False)[: len(trials)] if former is not None else ()):
        trials[number] = with_notes(trials[number], known)
    sweep_id = context.ledger.fingerprint["sweep_id"]
    study = study_beside(context.directory, context.sweep, sweep_id=sweep_id, replicate=context.replicate)
    study.add_trials(trials)
    if context.ledger.learnt is not None:
        study.set_user_attr(POINTS, list(context.ledger.learnt.points))
    for number, one in own.items():
        if one.outcome is not None:
            tell(study, number, one.outcome)
    return study


def _lesson(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.state, trial.values, trial.intermediate_values, _point(trial)


def _point(trial: FrozenTrial) -> tuple[Any, ...]:
    forms = {name: distribution_to_json(form) for name, form in trial.distributions.items()}
    return _plain(trial.params), forms


def _has_attributes(found: FrozenTrial, begun: FrozenTrial) -> bool:
    user = {name: value for name, value in begun.user_attrs.items() if name != EXPLOITS}  # written at its next interval
    return (
        _plain(user).items() <= _plain(found.user_attrs).items()
        and _plain(begun.system_attrs).items() <= _plain(found.system_attrs).items()
    )


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as storages keep them, for which a tuple is a list."""
    return {name: json.dumps(value) for name, value in values.items()}
