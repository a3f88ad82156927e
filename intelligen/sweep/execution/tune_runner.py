"""Runs trials by Ray Tune, so many at a time; their ends are read from files."""

import logging
from typing import Any

import ray
from ray import tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE
from ray.tune.schedulers import TrialScheduler

from intelligen.config.schema.resources import Resources
from intelligen.state import layout
from intelligen.sweep.cluster.capacity_monitor import CapacityMonitor
from intelligen.sweep.execution.failure_causes import fault_of
from intelligen.sweep.execution.idle_scoring import IdleScoring, ScoringApart, Untested
from intelligen.sweep.execution.tune_callbacks import (
    DrivenSearcher,
    FailedAttempts,
    NoReports,
    NoTrialLines,
    SearcherStopper,
)
from intelligen.sweep.execution.workers import run_distributed_trial, run_in_actor
from intelligen.sweep.signals import keeping_handlers
from intelligen.sweep.sweep_context import SweepContext

# Of a failed trial or a full disk they log tracebacks; what follows from both is one line at the end.
_QUIET = ("tune.tune", "tune.execution.experiment_state", "train._internal.syncer")


def run_trials(
    context: SweepContext,
    searcher: DrivenSearcher,
    *,
    resources: Resources,
    scheduler: TrialScheduler,
    name: str,
    untested: Untested | None = None,
) -> bool:
    """Run trials until the searcher has no more, or the launch is interrupted.

    Args:
        context: The launch.
        searcher: Suggests the trials, and gets their reports and ends.
        resources: What a trial takes, and how many run at once.
        scheduler: Stops trials early.
        name: Of the folder for Tune's own files, before its number.
        untested: What the actors score where they have no trial; none = nothing, as in groups of several workers.

    Returns:
        False where it was interrupted while it scored.

    Raises:
        Exception: The first that the searcher raised.

    """
    for module in _QUIET:
        logging.getLogger(f"ray.{module}").setLevel(logging.CRITICAL)
    if untested is not None and resources.workers == 1:
        searcher, scheduler = IdleScoring(context, searcher, untested), ScoringApart(scheduler)
    while _was_ended(context, searcher, _tuner(context, searcher, resources=resources, scheduler=scheduler, name=name)):
        pass
    if searcher.error is not None:
        raise fault_of(searcher.error, directory=context.directory) or searcher.error
    return not isinstance(searcher, IdleScoring) or searcher.has_finished


def _was_ended(context: SweepContext, searcher: DrivenSearcher, tuner: tune.Tuner) -> bool:
    """Run Tune; whether an actor's death ended it before the searcher did.

    Raises:
        IntelligenError: It cannot write its own files.

    """
    try:
        with keeping_handlers():
            tuner.fit()
    except Exception as error:
        killing = error.__cause__
        if isinstance(killing, ray.exceptions.RayError):
            # Ray 2.60: Tune knows of actors that die by themselves, not of those that are killed for memory.
            for trial_id in searcher.running():
                searcher.on_attempt_failed(trial_id, killing)
        elif searcher.error is None:
            fault = fault_of(error, directory=context.directory)
            if fault is None:
                raise
            raise fault from error
        return searcher.error is None
    return False


def _tuner(
    context: SweepContext, searcher: DrivenSearcher, *, resources: Resources, scheduler: TrialScheduler, name: str
) -> tune.Tuner:
    withhold_credentials()
    launches = layout.tune(context.directory)
    return tune.Tuner(
        _trainable(resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # until the searcher says that it has finished
            max_concurrent_trials=resources.at_once,
            # An old Train controller survives in a reused actor, and the next trial hangs.
            reuse_actors=resources.workers == 1,
        ),
        run_config=tune.RunConfig(
            name=f"{name}-{len(list(launches.glob(f'{name}-*')))}",
            storage_path=str(launches),
            stop=SearcherStopper(searcher, CapacityMonitor(resources)),
            callbacks=[FailedAttempts(searcher), NoTrialLines()],
            progress_reporter=NoReports(),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),  # who tries again is decided by `attempts`
        ),
    )


def withhold_credentials() -> None:
    """Keep Tune from handing the launcher's AWS keys to trials, which need none.

    It has no setting for that. What it hands over is on the command line of each trial's process, which every user
    can list, and in a log of Ray's.
    """
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})


def _trainable(resources: Resources) -> Any:
    if resources.workers > 1:
        # The driver waits; its workers' processors belong to the Train group.
        return tune.with_resources(run_distributed_trial, {"CPU": 0, "trial_slot": 1})
    return tune.with_resources(run_in_actor, {"CPU": resources.cpus_per_worker, "GPU": resources.gpus})
