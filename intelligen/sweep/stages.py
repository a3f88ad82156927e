"""The stages of a sweep; each finds what an earlier launch has finished and does only the rest."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import ray
import ray.train
from ray import tune

from intelligen.config.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.config.loading import apply_settings
from intelligen.config.sweep import Resources, Sweep
from intelligen.errors import StorageError, TrialsFailedError
from intelligen.sweep.outcome import Outcome, last_line, read_outcome
from intelligen.sweep.scheduler import scheduler
from intelligen.sweep.searcher import StudySearcher, Suggestion, open_study, tell
from intelligen.sweep.workers import WorkerConfig, run_distributed_trial, run_trial, score_tests, trainer
from intelligen.tracking.leaderboard import best_by_strategy
from intelligen.tracking.ledger import Ledger
from intelligen.tracking.lock import trial_lock
from intelligen.tracking.records import SweepStatus, TrialRecord, TrialState
from intelligen.training.history import HISTORY_FILE, Report, read_history
from intelligen.training.result import read_result


@dataclass(frozen=True)
class SweepRun:
    """One launch of a sweep."""

    sweep: Sweep
    experiment: Experiment
    prepared: str
    """Identity of the prepared data."""
    store: Path
    directory: Path
    """The sweep's own."""
    ledger: Ledger

    @property
    def baseline(self) -> Trial:
        """What every trial starts from."""
        return baseline_trial(self.experiment, prepared=self.prepared)

    def directory_of(self, record: TrialRecord) -> Path:
        """Where a trial's files lie."""
        return self.directory / record.directory

    def worker_config(self, trial: Trial, directory: Path, resources: Resources) -> WorkerConfig:
        """What a process needs to work on a trial."""
        return {
            "trial": trial.model_dump_json(),
            "store": str(self.store),
            "directory": str(directory),
            "resources": resources.model_dump_json(),
        }

    def begin(
        self,
        name: str,
        trial: Trial,
        directory: Path,
        *,
        params: dict[str, Any] | None = None,
        number: int | None = None,
    ) -> None:
        """Write a trial, or another attempt at it, into the ledger before it runs."""
        if name in self.ledger.trials:
            self.ledger.restart(name)
            return
        self.ledger.start(
            name,
            kind="baseline" if number is None else "trial",
            strategy=trial.strategy.name,
            seed=trial.seed,
            params=params or {},
            config=trial.model_dump(mode="json"),
            # Relative, so that a runs folder can be moved.
            directory=os.path.relpath(directory, self.directory),
            number=number,
        )


def is_finished(run: SweepRun) -> bool:
    """Whether an earlier launch has done all that the budget asks for."""
    closing = run.ledger.closing
    searched = sum(record.kind == "trial" for record in run.ledger.trials.values())
    return closing is not None and closing.status is SweepStatus.COMPLETE and searched >= run.sweep.total_trials()


def baseline_stage(run: SweepRun) -> None:
    """Train the baseline over Ray Train, unless its directory already holds its result.

    Raises:
        TrialsFailedError: It did not run its course, so nothing can be compared.

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
            error = last_line(failure)
    outcome = read_outcome(directory, metric=run.sweep.objective.metric, crashed=True)
    reason = outcome.reason if outcome.state is TrialState.COMPLETE else error or outcome.reason
    run.ledger.finish(name, outcome.state, reason)
    if outcome.state is not TrialState.COMPLETE:
        raise TrialsFailedError(f"{directory}: the baseline failed: {reason}")


def search_stage(run: SweepRun) -> bool:
    """Run the trials that the budget still holds.

    Returns:
        Whether the search came to its end; it did not where somebody interrupted it.

    """
    study = open_study(run.directory, run.sweep)
    _tell_known_ends(run, study)
    searcher = StudySearcher(
        study,
        sweep=run.sweep,
        start=lambda suggestion: dict(_start_trial(run, suggestion)),
        refuse=lambda suggestion, reason: _refuse_trial(run, suggestion, reason),
        settle=lambda number, crashed: _settle_trial(run, number, crashed=crashed),
    )
    if searcher.remaining() == 0:
        return True
    _tune(run, searcher)
    return searcher.remaining() == 0


def _tune(run: SweepRun, searcher: StudySearcher) -> None:
    resources = run.sweep.resources
    launches = run.directory / "tune"
    tuner = tune.Tuner(
        _trainable(resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler(run.sweep, epochs=run.experiment.finetuning.epochs, ended=_ended_reports(run)),
            num_samples=searcher.remaining(),
            max_concurrent_trials=resources.concurrent_trials,
            # An old Train controller survives in a reused actor, and the next trial hangs.
            reuse_actors=resources.workers == 1,
        ),
        run_config=tune.RunConfig(
            name=f"launch-{len(list(launches.glob('launch-*')))}",
            storage_path=str(launches),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=resources.attempts - 1),
        ),
    )
    with _own_interrupts():
        tuner.fit()


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


def _tell_known_ends(run: SweepRun, study: optuna.Study) -> None:
    """A launcher killed between ledger and study leaves trials that have ended but that Optuna believes running."""
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        record = run.ledger.trials.get(trial_name(trial.number))
        if record is not None and record.state is not TrialState.RUNNING:
            crashed = record.state is TrialState.FAILED
            outcome = read_outcome(run.directory_of(record), metric=run.sweep.objective.metric, crashed=crashed)
            tell(study, trial.number, outcome)


def trial_name(number: int) -> str:
    """The trial's name in the ledger, by Optuna's number."""
    return f"t{number:04d}"


def _start_trial(run: SweepRun, suggestion: Suggestion) -> WorkerConfig:
    experiment = apply_settings(run.experiment, suggestion.changes)
    trial = finetuning_trial(experiment, prepared=run.prepared, start=run.baseline.identity)
    name = trial_name(suggestion.number)
    directory = run.directory / "trials" / name
    run.begin(name, trial, directory, params=suggestion.params, number=suggestion.number)
    return run.worker_config(trial, directory, run.sweep.resources)


def _refuse_trial(run: SweepRun, suggestion: Suggestion, reason: str) -> Outcome:
    """Write a trial that cannot be into the ledger: what was asked for, and which rule it breaks."""
    name = trial_name(suggestion.number)
    if name not in run.ledger.trials:
        run.ledger.start(
            name,
            kind="trial",
            strategy=str(suggestion.changes.get("strategy.name", run.experiment.strategy.name)),
            seed=run.experiment.seed,
            params=suggestion.params,
            config=suggestion.changes,
            directory=os.path.join("trials", name),
            number=suggestion.number,
        )
    outcome = Outcome(TrialState.FAILED, f"its values do not go together: {' '.join(reason.split())}")
    run.ledger.finish(name, outcome.state, outcome.reason)
    return outcome


def _settle_trial(run: SweepRun, number: int, *, crashed: bool) -> Outcome:
    record = run.ledger.trials[trial_name(number)]
    outcome = read_outcome(run.directory_of(record), metric=run.sweep.objective.metric, crashed=crashed)
    run.ledger.finish(record.id, outcome.state, outcome.reason)
    return outcome


def _ended_reports(run: SweepRun) -> dict[str, list[Report]]:
    return {
        record.id: read_history(run.directory_of(record) / HISTORY_FILE)
        for record in run.ledger.trials.values()
        if record.kind == "trial" and record.state in (TrialState.COMPLETE, TrialState.PRUNED)
    }
