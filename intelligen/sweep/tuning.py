"""Tune runs what a searcher hands out, so many trials at a time; what it believes of their ends is not asked."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray import tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE
from ray.tune.schedulers import TrialScheduler

from intelligen.config.sweep import Resources
from intelligen.sweep.callbacks import DrivenSearcher, SearcherStopper
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.workers import run_distributed_trial, run_trial


def run_trials(
    run: SweepRun, searcher: DrivenSearcher, *, resources: Resources, scheduler: TrialScheduler, name: str
) -> None:
    """Run trials until the searcher has no more, or somebody interrupts.

    Args:
        run: The launch.
        searcher: What runs next, and who is told of its reports and its end.
        resources: What a trial takes, and how many run at once.
        scheduler: Who stops trials early.
        name: Of the folder for Tune's own files, before its number.

    Raises:
        Exception: The first that the searcher raised.

    """
    withhold_credentials()
    launches = run.directory / "tune"
    tuner = tune.Tuner(
        _trainable(resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # until the searcher says that it has finished
            max_concurrent_trials=resources.concurrent_trials,
            # An old Train controller survives in a reused actor, and the next trial hangs.
            reuse_actors=resources.workers == 1,
        ),
        run_config=tune.RunConfig(
            name=f"{name}-{len(list(launches.glob(f'{name}-*')))}",
            storage_path=str(launches),
            stop=SearcherStopper(searcher),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=resources.attempts - 1),
        ),
    )
    with own_interrupts():
        tuner.fit()
    if searcher.error is not None:
        raise searcher.error


def withhold_credentials() -> None:
    """Keep Tune from handing the launcher's AWS keys to trials, which need none.

    It has no setting for that. What it hands over stands on the command line of each trial's process, which every user
    can list, and in a log of Ray's.
    """
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})


@contextmanager
def own_interrupts() -> Iterator[None]:
    """Train and Tune leave their SIGINT handlers behind, which would swallow a later Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _trainable(resources: Resources) -> Any:
    if resources.workers > 1:
        # The driver waits; its workers' processors belong to the Train group.
        return tune.with_resources(run_distributed_trial, {"CPU": 0, "trial_slot": 1})
    return tune.with_resources(run_trial, {"CPU": resources.cpus_per_worker, "GPU": resources.gpus})
