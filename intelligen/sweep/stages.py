"""The stages of a sweep; each finds what an earlier launch has finished and does only the rest."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import ray
import ray.train
from optuna.trial import TrialState as OptunaState
from ray import tune

from intelligen.config.metrics import unbettered
from intelligen.config.schedulers import Pbt
from intelligen.config.sweep import Resources
from intelligen.errors import StorageError, TrialsFailedError, UnavailableError
from intelligen.sweep.budget import Account, search_end
from intelligen.sweep.lifeline import require_cluster
from intelligen.sweep.outcome import last_line, read_outcome
from intelligen.sweep.populations import Populations
from intelligen.sweep.scheduler import scheduler
from intelligen.sweep.searcher import BudgetStopper, StudySearcher
from intelligen.sweep.study import DATABASE_ERRORS, is_own, open_study, unavailable
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.trials import (
    ended_reports,
    let_trial_go_on,
    refuse_trial,
    settle_trial,
    start_trial,
    tell_known_ends,
    trial_name,
)
from intelligen.sweep.warm_start import warm_start
from intelligen.sweep.workers import run_distributed_trial, run_trial, score_tests, trainer
from intelligen.tracking.leaderboard import best_by_strategy
from intelligen.tracking.lock import trial_lock
from intelligen.tracking.records import SweepStatus, TrialRecord, TrialState
from intelligen.training.result import read_result


def is_finished(run: SweepRun) -> bool:
    """Whether an earlier launch has done all that the budget asks for."""
    closing = run.ledger.closing
    if closing is None or closing.status is not SweepStatus.COMPLETE:
        return False
    trials = [record for record in run.ledger.trials.values() if record.kind == "trial"]
    account = Account(run.sweep.budget, run.ledger, run.directory, searching=False)
    over = search_end(run.sweep, Counter(record.strategy for record in trials), account.spent)
    return over is not None and all(record.state is not TrialState.RUNNING for record in trials)


def prepare_search(run: SweepRun) -> None:
    """Open the study and give it what the sweep starts from, so that nothing is trained where this fails.

    Raises:
        ConfigError: The warm start names what is not there, or does not fit.
        UnavailableError: The study's database does not answer.

    """
    warm_start(_study(run), run.sweep, sweeps=run.store / "sweeps")


def baseline_stage(run: SweepRun) -> None:
    """Train the baseline over Ray Train, unless its directory already holds its result.

    Raises:
        TrialsFailedError: It did not run its course, so nothing can be compared.
        ClusterLostError: The cluster that it ran on is gone.

    """
    trial = run.baseline
    name = f"baseline-{trial.seed}"
    directory = run.store / "baselines" / trial.identity
    known = run.ledger.trials.get(name)
    if known is not None and known.state is TrialState.COMPLETE:
        return
    run.begin(name, trial, directory)
    error = ""
    with trial_lock(directory), _own_interrupts():
        try:
            if read_result(directory) is None:
                trainer(run.worker_config(trial, directory, run.sweep.baseline), name="train").fit()
        except (ray.train.TrainingFailedError, ray.exceptions.RayError) as failure:
            require_cluster()
            error = last_line(failure)
    outcome = read_outcome(directory, objectives=run.metrics[:1], crashed=True)
    reason = outcome.reason if outcome.state is TrialState.COMPLETE else error or outcome.reason
    run.ledger.finish(name, outcome.state, reason)
    if outcome.state is not TrialState.COMPLETE:
        raise TrialsFailedError(f"{directory}: the baseline failed: {reason}")


def search_stage(run: SweepRun) -> bool:
    """Run the trials that the budget still holds.

    Returns:
        Whether the search came to its end; it did not where somebody interrupted it.

    Raises:
        UnavailableError: The study's database does not answer any more.
        StorageError: Ledger or histories cannot be read or written any more.

    """
    study = _study(run)
    run.ledger.begin_search()
    account = Account(run.sweep.budget, run.ledger, run.directory, searching=True)
    try:
        tell_known_ends(run, study, account.spent)
        populations = Populations(run, run.sweep.scheduler) if isinstance(run.sweep.scheduler, Pbt) else None
        searcher = StudySearcher(
            study,
            sweep=run.sweep,
            spent=account.spent,
            start=lambda suggestion: dict(start_trial(run, suggestion, populations)),
            refuse=lambda suggestion, reason: refuse_trial(run, suggestion, reason),
            settle=lambda number, crashed, stopped: settle_trial(run, number, crashed=crashed, stopped=stopped),
            let_go_on=lambda number, epoch: let_trial_go_on(run, number, epoch),
            populations=populations,
        )
        if not searcher.is_over():
            _tune(run, searcher)
        over = searcher.is_over()
    except DATABASE_ERRORS as error:
        if run.sweep.search.storage is None:
            raise
        raise unavailable(run.sweep.search.storage, error) from error
    run.ledger.end_search("the budget is spent" if over else "interrupted")
    return over


def _tune(run: SweepRun, searcher: StudySearcher) -> None:
    resources = run.sweep.resources
    launches = run.directory / "tune"
    tuner = tune.Tuner(
        _trainable(resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler(run.sweep, epochs=run.experiment.finetuning.epochs, ended=ended_reports(run)),
            num_samples=-1,  # until the searcher says that it has finished
            max_concurrent_trials=resources.concurrent_trials,
            # An old Train controller survives in a reused actor, and the next trial hangs.
            reuse_actors=resources.workers == 1,
        ),
        run_config=tune.RunConfig(
            name=f"launch-{len(list(launches.glob('launch-*')))}",
            storage_path=str(launches),
            stop=BudgetStopper(searcher),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=resources.attempts - 1),
        ),
    )
    with _own_interrupts():
        tuner.fit()
    if searcher.error is not None:
        raise searcher.error


def test_stage(run: SweepRun) -> None:
    """Score the test sets once: the baseline, and of each strategy the trial that validation prefers."""
    chosen = [record for record in run.ledger.trials.values() if record.kind == "baseline"]
    chosen += best_by_strategy(run.directory, run.ledger.trials, metric=run.sweep.objective.metric).values()
    resources = run.sweep.resources
    pending = {
        record.id: score_tests.options(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker).remote(
            str(run.directory_of(record)), str(run.store), resources.model_dump_json()
        )
        for record in chosen
        if not record.scores
    }
    for trial_id, scores in pending.items():
        try:
            run.ledger.score(trial_id, ray.get(scores))
        except ray.exceptions.RayError as error:
            raise StorageError(
                f"{run.directory_of(run.ledger.trials[trial_id])}: cannot score the test sets: {last_line(error)};"
                " the same command tries again"
            ) from error


def pareto_front(run: SweepRun) -> list[tuple[TrialRecord, tuple[float, ...]]]:
    """The trials that no other of the sweep betters in every objective, with their values; the best by the first first.

    Empty with one objective, before a trial has run its course, and where the study's database does not answer.
    """
    if run.sweep.objectives is None:
        return []
    try:
        trials = _study(run).get_trials(deepcopy=False, states=(OptunaState.COMPLETE,))
    except (UnavailableError, *DATABASE_ERRORS):
        return []  # the end of a launch, which asks, must come about all the same
    own = [trial for trial in trials if is_own(trial)]
    signs = [-1 if objective.direction == "maximize" else 1 for objective in run.sweep.objectives]
    losses = [[sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in own]
    front = sorted((losses[place], own[place].number, own[place]) for place in unbettered(losses))
    return [(run.ledger.trials[trial_name(number)], tuple(trial.values)) for _, number, trial in front]


def _study(run: SweepRun) -> optuna.Study:
    return open_study(run.directory, run.sweep, sweep_id=run.ledger.header["sweep_id"])


def _trainable(resources: Resources) -> Any:
    if resources.workers > 1:
        # The driver waits; its workers' processors belong to the Train group.
        return tune.with_resources(run_distributed_trial, {"CPU": 0, "trial_slot": 1})
    return tune.with_resources(run_trial, {"CPU": resources.cpus_per_worker, "GPU": resources.gpus_per_worker})


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Train and Tune leave their SIGINT handlers behind, which would swallow a later Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
