"""Optuna's study of a sweep: opened, updated, replaced; it always agrees with the ledger.

COMPLETE is a trial that finished, PRUNED one that was stopped early, FAIL one that crashed, diverged or has no
number to show. All of them have the objective after each epoch as intermediate values.
"""

import math
import os
import shutil
import warnings
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from intelligen.analysis.strategy_table import SELECTED
from intelligen.analysis.trial_outcome import Outcome
from intelligen.config.schema.replicates import Replicate
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError, unwritten
from intelligen.state.ledger import TrialState
from intelligen.state.redaction import REDACTED, redact_text

STUDY_FILE = "study.journal"
"""Of a sweep with one search."""
_REBUILT = ".rebuilt"
# Trials that another search made: the sampler learns from them, and no budget counts them.
WARM_START = "warm_start"
# Exploits of a trial of a population: its parameters in the study are those with which it began.
EXPLOITS = "takeovers"
# Why a trial ended.
STOP_REASON = "stop_reason"

OPTUNA_STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)


class DamagedStudyError(Exception):
    """The journal of a study cannot be read; the ledger knows what it held."""


def study_file(directory: Path, replicate: Replicate | None) -> Path:
    """The journal of a sweep's study, or of that of one of its searches: `study-r2.journal`."""
    return directory / (STUDY_FILE if replicate is None else f"study-r{replicate.number}.journal")


def _in_database(sweep: Sweep, sweep_id: str, replicate: Replicate | None) -> str:
    """What the study is called there."""
    return f"{sweep.name}-{sweep_id}" + ("" if replicate is None else f"-r{replicate.number}")


def open_study(
    directory: Path, sweep: Sweep, *, sweep_id: str, replicate: Replicate | None = None, beside: bool = False
) -> optuna.Study:
    """The sweep's Optuna study: a journal file in its directory, or in the database that the sweep names.

    Args:
        directory: The sweep's.
        sweep: Its name, its objectives and its storage.
        sweep_id: Tells sweeps of one name apart where they share a database; there the study is called NAME-ID.
        replicate: The search that it is of, where it is one of several: each has a study of its own, in a database
            NAME-ID-r2.
        beside: Whether to open the one that is to replace the present one: see `replace_study`.

    Raises:
        DamagedStudyError: The journal is damaged.
        CannotCreateError, StorageError: It cannot be read or written.
        UnavailableError: The database cannot be opened.

    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url, suffix = sweep.search.storage, _REBUILT if beside else ""
    if url is None:
        file = study_file(directory, replicate)
        journal = file.with_name(f"{file.name}{suffix}")
        try:
            study = _create(JournalStorage(_journal(journal)), sweep.name, sweep)
            study.get_trials(deepcopy=False)
        except OSError as error:
            raise unwritten(journal, error) from error
        except Exception as error:  # of any kind: Optuna trusts every line that it reads
            raise DamagedStudyError(f"is damaged ({type(error).__name__})") from error
        return study
    if REDACTED in url:
        raise UnavailableError(
            f"search.storage: {url}: its user part is not stored with the sweep; run the sweep's file, or give"
            " -o search.storage=URL"
        )
    try:
        name = _in_database(sweep, sweep_id, replicate)
        return _create(RDBStorage(url, engine_kwargs=_engine_options(url)), f"{name}{suffix}", sweep)
    except (*DATABASE_ERRORS, ImportError, RuntimeError) as error:  # no driver; tables of another version
        raise study_unavailable(url, error) from None


def study_beside(directory: Path, sweep: Sweep, *, sweep_id: str, replicate: Replicate | None = None) -> optuna.Study:
    """An empty study, by which `replace_study` replaces the present one once it is complete; arguments likewise.

    Raises:
        StorageError: As `open_study` raises it.
        UnavailableError: Likewise.

    """
    if sweep.search.storage is None:
        file = study_file(directory, replicate)
        file.with_name(f"{file.name}{_REBUILT}").unlink(missing_ok=True)  # which a killed launch left
    else:
        name = _in_database(sweep, sweep_id, replicate)
        with suppress(KeyError):
            optuna.delete_study(study_name=f"{name}{_REBUILT}", storage=sweep.search.storage)
    return open_study(directory, sweep, sweep_id=sweep_id, replicate=replicate, beside=True)


def replace_study(
    directory: Path, sweep: Sweep, *, sweep_id: str, replicate: Replicate | None = None, keep: bool
) -> str | None:
    """Replace the present study by the one beside it, at once.

    Args:
        directory: The sweep's.
        sweep: As for `open_study`.
        sweep_id: Likewise.
        replicate: Likewise.
        keep: Whether the present one is kept.

    Returns:
        As what it is: `study.journal.replaced-1`, or in a database the study NAME-ID.replaced-1.

    """
    url, name = sweep.search.storage, _in_database(sweep, sweep_id, replicate)
    if url is None:
        journal = study_file(directory, replicate)
        kept = _first_free(f"{journal.name}.replaced", {path.name for path in directory.iterdir()})
        if keep:
            shutil.copyfile(journal, directory / kept)
        journal.with_name(f"{journal.name}{_REBUILT}").replace(journal)
        return kept if keep else None
    kept = _first_free(f"{name}.replaced", optuna.get_all_study_names(url))
    engine = create_engine(url, **_engine_options(url))
    # Optuna itself has no way to rename a study.
    rename = text("UPDATE studies SET study_name = :new WHERE study_name = :old")
    with engine.begin() as transaction:
        transaction.execute(rename, {"old": name, "new": kept})
        transaction.execute(rename, {"old": f"{name}{_REBUILT}", "new": name})
    engine.dispose()
    if not keep:
        optuna.delete_study(study_name=kept, storage=url)
    return kept if keep else None


def _first_free(name: str, taken: Collection[str]) -> str:
    return next(numbered for number in count(1) if (numbered := f"{name}-{number}") not in taken)


def _engine_options(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}


def study_unavailable(url: str, error: BaseException) -> UnavailableError:
    """A database that does not answer, in one line and without its password."""
    reason = redact_text(str(error.__cause__ or error).strip().partition("\n")[0]).replace(url, redact_text(url))
    fix = "install its driver" if isinstance(error, ImportError) else "correct the address, or start the database"
    return UnavailableError(
        f"search.storage: {redact_text(url)}: {reason[:300] or type(error).__name__}; {fix}, and run the same command"
    )


def tell(study: optuna.Study, number: int, outcome: Outcome) -> None:
    """Bring a trial to its end in the study.

    Tune shows a searcher neither the report at which a trial is stopped nor those that a killed launcher missed, so the
    curve comes from the trial's own history. Optuna takes no value for a pruned trial: its value is in its
    user attribute `selected/METRIC`, as it does for every trial that did not fail.
    """
    # Beforehand: a trial that has ended takes no more attributes.
    _report(study, number, outcome)
    _describe(study, number, outcome)
    match outcome.state:
        case TrialState.COMPLETE:
            study.tell(number, list(outcome.values))
        case TrialState.PRUNED:
            study.tell(number, state=OptunaState.PRUNED)
        case _:
            study.tell(number, state=OptunaState.FAIL)


def is_own(trial: FrozenTrial) -> bool:
    """Whether the sweep itself started the trial, or is about to."""
    return WARM_START not in trial.user_attrs


def row_of(trial: FrozenTrial, sweep: Sweep) -> str:
    """The trial's row; empty where the space does not vary it, or it is not drawn yet."""
    given: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return str(trial.params.get(sweep.row_parameter, given.get(sweep.row_parameter, "")))


def _describe(study: optuna.Study, number: int, outcome: Outcome) -> None:
    trial = optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
    for name, value in end_attributes(outcome).items():
        trial.set_user_attr(name, value)


def end_attributes(outcome: Outcome) -> dict[str, float | str]:
    """The user attributes that record a trial's end."""
    scores = {SELECTED + metric: value for metric, value in outcome.selected.items()}
    return {**scores, STOP_REASON: redact_text(outcome.reason)}


def _report(study: optuna.Study, number: int, outcome: Outcome) -> None:
    if len(study.directions) > 1:
        return  # Optuna keeps no curves of several objectives
    known = study.get_trials(deepcopy=False)[number]
    trial = optuna.Trial(study, known._trial_id)
    for epoch, value in finite_curve(outcome).items():
        if epoch not in known.intermediate_values:
            trial.report(value, step=epoch)


def finite_curve(outcome: Outcome) -> dict[int, float]:
    """Epoch → objective, without NaN, which Optuna refuses."""
    return {epoch: value for epoch, value in outcome.curve.items() if not math.isnan(value)}


def _journal(file: Path) -> JournalFileBackend:
    path = str(file)
    _drop_torn_end(file)
    # The sweep's own lock keeps others out, so a lock that a killed launcher left may be broken soon.
    return JournalFileBackend(path, lock_obj=JournalFileOpenLock(path, grace_period=5))


def _drop_torn_end(journal: Path) -> None:
    """What lies behind the last whole line is an append that was cut short; Optuna would go on in the middle of it."""
    content = journal.read_bytes() if journal.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(journal, whole)


def _create(storage: BaseStorage, name: str, sweep: Sweep) -> optuna.Study:
    directions = [objective.direction for objective in sweep.all_objectives()]
    # The sweep's trials come whole; this draws the missing parameters of trials that others enqueued.
    rest = optuna.samplers.RandomSampler(seed=sweep.search.seed)
    study = optuna.create_study(
        storage=storage, sampler=rest, study_name=name, directions=directions, load_if_exists=True
    )
    # For who looks at it in optuna-dashboard; a study of the first release has none.
    metrics: list[str] = [objective.metric for objective in sweep.all_objectives()]
    if study.metric_names != metrics:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(metrics)
    return study
