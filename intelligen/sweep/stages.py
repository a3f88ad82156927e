"""Stages of a sweep (baseline, search, confirmation, test): each does only what is left."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from intelligen.analysis.mlflow_links import interface, interface_command, run_path
from intelligen.analysis.strategy_table import USABLE, best_by_row
from intelligen.config.metric_direction import merit, pareto_optimal
from intelligen.config.schema.schedulers import Pbt
from intelligen.config.schema.stages_after_search import STAGES
from intelligen.errors import ChangedError, StorageError, UnavailableError
from intelligen.state import layout
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.trial_records import SweepStatus, TrialRecord, TrialState
from intelligen.sweep.baselines import train_baselines
from intelligen.sweep.budget_account import rows_ended, search_end
from intelligen.sweep.confirmation import has_looks, repetitions_left, train_repetitions
from intelligen.sweep.control_trials import control_trials_left, train_control_trials
from intelligen.sweep.execution.failure_causes import fault_of
from intelligen.sweep.execution.idle_scoring import Untested
from intelligen.sweep.execution.tune_runner import run_trials
from intelligen.sweep.preflight.verify_files import known_outcome
from intelligen.sweep.schedulers.early_stopping import scheduler
from intelligen.sweep.schedulers.population import Populations
from intelligen.sweep.score_test_sets import score_trials
from intelligen.sweep.search.dashboard_notes import run_note, write_notes
from intelligen.sweep.search.optuna_study import (
    DATABASE_ERRORS,
    DamagedStudyError,
    open_study,
    study_file,
    study_unavailable,
)
from intelligen.sweep.search.searcher import StudySearcher
from intelligen.sweep.search.study_rebuild import ledgers_study
from intelligen.sweep.search.warm_start import learnt, warm_start
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import SearchedTrials, account_of, ended_trials, tell_known_ends
from intelligen.training.trained_model import present_bounds


def is_finished(context: SweepContext) -> bool:
    """Whether an earlier launch has done all that is asked for."""
    closing = context.ledger.closing
    if closing is None or closing.status is not SweepStatus.COMPLETE:
        return False
    trials = [record for record in context.ledger.trials.values() if record.kind == "trial"]
    running = any(record.state is TrialState.RUNNING for record in trials)
    left = any(map(control_trials_left, context.searches)) or repetitions_left(context)
    return all(map(_search_is_over, context.searches)) and not running and not left


def require_no_late_search(context: SweepContext) -> None:
    """Refuse to continue the search once its results are being confirmed, or controls trained as long as these took.

    Raises:
        ChangedError: The budget has been raised since.

    """
    confirms = _confirms(context)
    if any((confirms or one.updates_ratios) and not _search_is_over(one) for one in context.searches):
        what = "its best configurations are being confirmed" if confirms else "the ratios of its controls are fixed"
        raise ChangedError(
            f"{context.directory}: {what}, so its search has ended and takes no larger budget; continue in"
            " another sweep, which starts from this one's trials: intelligen run FILE"
            f" -o name=NEW -o search.warm_start.sweep={context.sweep.name}"
        )


def search_is_closed(context: SweepContext) -> bool:
    """Whether its results are being confirmed, or its controls have been trained for as long as they took."""
    return _confirms(context) or any(one.updates_ratios for one in context.searches)


def _confirms(context: SweepContext) -> bool:
    return any(record.kind == "confirm" for record in context.ledger.trials.values())


def prepare_search(context: SweepContext) -> None:
    """Open the study and give it what the sweep starts from, so that nothing is trained where this fails.

    Raises:
        ConfigError: The warm start names what is not there, or does not fit.
        UnavailableError: The study's database does not answer.
        StorageError: The study is lost, and the ledger does not hold what it is rebuilt from.

    """
    for search in context.searches:
        study = ledgers_study(search)
        warm_start(study, search.sweep, sweeps=layout.sweeps(context.store))
        if search.sweep.search.warm_start is not None and context.ledger.learnt is None:
            context.ledger.learn(learnt(study))


def _search_is_over(context: SweepContext) -> bool:
    trials = [record for record in context.trials.values() if record.suggested]
    account = account_of(context, searching=False)
    return search_end(context.sweep, Counter(record.row for record in trials), account.spent) is not None


def search_stage(context: SweepContext, *, scores: bool = False) -> None:
    """Run the trials of one search that the budget still holds.

    Args:
        context: The launch, of one search.
        scores: Whether the test sets are scored as soon as an actor has no trial, and in the end.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        UnavailableError: The study's database does not answer any more.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    study = ledgers_study(context)
    context.ledger.begin_search(None if context.replicate is None else context.replicate.number)
    account = account_of(context, searching=True)
    ended = partial(context.ledger.end_search, "the budget is spent")
    untested, finished = Untested(partial(untested_in_search, context), ended) if scores else None, True
    try:
        tell_known_ends(context, study, account.spent)
        populations = (
            Populations(context, context.sweep.scheduler) if isinstance(context.sweep.scheduler, Pbt) else None
        )
        searcher = StudySearcher(
            study,
            sweep=context.sweep,
            spent=account.spent,
            trials=SearchedTrials(context, populations),
            populations=populations,
        )
        if not searcher.is_over():
            stopping = scheduler(context.sweep, epochs=context.rows.epochs, ended=ended_trials(context))
            finished = run_trials(
                context,
                searcher,
                resources=context.sweep.resources,
                scheduler=stopping,
                name="launch",
                untested=untested,
            )
        over = searcher.is_over()
    except DATABASE_ERRORS as error:
        if context.sweep.search.storage is None:
            raise
        raise fault_of(error, directory=context.directory) or study_unavailable(
            context.sweep.search.storage, error
        ) from error
    context.ledger.end_search("the budget is spent" if over else "interrupted")
    if not (over and finished):
        raise KeyboardInterrupt  # which Tune keeps to itself


def confirmation_stage(context: SweepContext, *, scores: bool = False) -> None:
    """Repeat the best trials; with looks train and score by turns, until no comparison takes another seed.

    Args:
        context: The launch.
        scores: Whether the test sets are scored as soon as an actor has no trial, as looks ask for in any case.

    Raises:
        KeyboardInterrupt: Somebody interrupted it.
        IntelligenError: As training and scoring do.

    """
    looks = has_looks(context)
    untested = Untested(lambda over: _tested(context)) if looks or scores else None
    train_repetitions(context, untested)
    while looks:
        test_stage(context)
        if not repetitions_left(context):
            return
        train_repetitions(context, untested)


def test_stage(context: SweepContext) -> None:
    """Score the test sets once: every confirmed model and its seed's baseline.

    Without confirmation the baseline, and of each row the trial that validation prefers.

    Raises:
        NodeLostError: No node is left that can score.
        MemoryShortageError: The memory did not suffice to score one of them, with nothing beside it.
        CrashedError: Scoring one of them crashed at every attempt.
        IntelligenError: A fault of host or cluster.

    """
    _bring_up_to_date(context)
    score_trials(context, [record for record in _tested(context) if not record.scores])


def _bring_up_to_date(context: SweepContext) -> None:
    """A sweep that the first revisions began shows one kind of interval, theirs in the present form too."""
    for record in _tested(context):
        if record.scores and (
            bounds := present_bounds(context.directory_of(record), record.scores, store=context.store)
        ):
            context.ledger.correct(record.id, bounds)


def untested_in_search(context: SweepContext, over: bool) -> list[TrialRecord]:
    """The models of the search that are to be tested, as far as it is known which they are.

    Baselines are from the beginning; of a row its best trial, once all trials of the row have ended.

    Args:
        context: The launch, of one search.
        over: Whether all trials of all rows have ended.

    """
    # Of several searches the table has the best trial of each row over all of them.
    decided = set[str]() if context.replicate else rows_ended(context.sweep, context.trials.values())
    return [record for record in _tested(context) if over or record.kind == "baseline" or record.row in decided]


def _tested(context: SweepContext) -> list[TrialRecord]:
    trials, seeds = context.ledger.trials, context.rows.confirmation_seeds
    if not seeds:
        baselines = [record for record in trials.values() if record.kind == "baseline"]
        return [
            *baselines,
            *best_by_row(context.directory, trials, metric=context.sweep.objective.metric).values(),
        ]
    # Of the same seeds all of them: the baseline that the search started from is none of these.
    repeated = [one for one in trials.values() if one.kind in ("baseline", "confirm") and one.seed in seeds]
    return [one for one in repeated if one.state in USABLE]


def run_stages(context: SweepContext, *, until: str) -> None:
    """Do what is left of the stages up to this one.

    Raises:
        KeyboardInterrupt: Somebody interrupted them.
        IntelligenError: As the stages do.

    """
    scores, confirms = until == STAGES[-1], bool(context.rows.confirmation_seeds)

    def searches() -> None:
        for search in context.searches:
            search_stage(search, scores=scores and not confirms)
            train_control_trials(search)

    stages: dict[str, Callable[[], None]] = {
        "baseline": partial(train_baselines, context),
        "search": searches,
        "confirm": partial(confirmation_stage, context, scores=scores and confirms),
        "test": partial(test_stage, context),
    }
    for name in STAGES:
        stages[name]()
        if name == until:
            return


def sweep_pareto_front(context: SweepContext) -> list[tuple[TrialRecord, tuple[float, ...]]]:
    """The trials that no other of the sweep betters in every objective, with their values; the best by the first first.

    Empty with one objective, and before a trial has finished. The study is not asked: a launch that lost it says
    so, and does not make it anew at its end.

    Raises:
        StorageError: A trial's files are damaged, or say something else than the ledger.

    """
    if context.sweep.objectives is None:
        return []
    own = [one for one in context.ledger.trials.values() if one.kind == "trial" and one.state is TrialState.COMPLETE]
    values = [known_outcome(context, record).values for record in own]
    losses = [
        [-merit(metric, value) for metric, value in zip(context.metrics, scores, strict=True)] for scores in values
    ]
    return [
        (own[server], values[server]) for server in sorted(pareto_optimal(losses), key=lambda server: losses[server])
    ]


def link_runs(context: SweepContext, *, tracking_uri: str) -> None:
    """Note beside each trial of the study which run shows it in MLflow, for who looks at it in optuna-dashboard.

    Nothing where there is no study, or it does not answer: the next launch writes what is missing.
    """
    runs, command = read_run_ids(context.directory), interface_command(tracking_uri)
    server = interface(tracking_uri)
    notes = {
        trial: run_note(server + run_path(runs.experiment or "", run_id), command)
        for trial, run_id in runs.trials.items()
    }
    for search in context.searches:
        if context.sweep.search.storage is None and not study_file(context.directory, search.replicate).exists():
            continue
        with suppress(UnavailableError, StorageError, DamagedStudyError, *DATABASE_ERRORS):
            # As it is: a launch that lost its study does not rebuild it at its end.
            sweep_id = context.ledger.fingerprint["sweep_id"]
            study = open_study(context.directory, search.sweep, sweep_id=sweep_id, replicate=search.replicate)
            write_notes(study, notes, replicate=search.replicate)
