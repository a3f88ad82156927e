"""Baselines: one per seed, trained once and found again by content hash."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import ray
import ray.train

from intelligen.config.schema.experiment import Trial
from intelligen.errors import TrialsFailedError
from intelligen.state import layout
from intelligen.state.file_lock import trial_lock
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import read_result
from intelligen.sweep.cluster.cluster_monitor import require_cluster
from intelligen.sweep.execution.fixed_trials import run_fixed_trials
from intelligen.sweep.execution.retries import Attempts, Next
from intelligen.sweep.execution.workers import WorkerConfig, trainer
from intelligen.sweep.signals import keeping_handlers
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import settle_trial


def train_baselines(run: SweepContext) -> None:
    """Train what is missing: baselines of one worker inside Tune's actors, others over Ray Train, one by one.

    Raises:
        BusyError: Another process trains one of them.
        TrialsFailedError: One did not finish, so nothing can be compared.
        ClusterLostError: The cluster that it ran on is gone.

    """
    known = run.ledger.trials
    wanted = {f"baseline-{trial.seed}": trial for trial in run.baselines}
    left = {
        name: one for name, one in wanted.items() if name not in known or known[name].state is not TrialState.COMPLETE
    }
    with ExitStack() as locks:
        for trial in left.values():
            locks.enter_context(trial_lock(_directory(run, trial)))
        missing = {}
        for name, trial in left.items():
            if read_result(_directory(run, trial)) is None:
                missing[name] = partial(_begin, run, name, trial)
            else:
                _begin(run, name, trial)
                settle_trial(run, name, crashed=False)
        if run.sweep.baseline.workers == 1:
            run_fixed_trials(run, missing, resources=run.sweep.baseline, name="baseline")
        else:
            for name, begin in missing.items():
                _train_in_group(run, name, begin())
    for name in left:
        _require_complete(run, name)


def _directory(run: SweepContext, trial: Trial) -> Path:
    return layout.baseline(run.store, trial.identity)


def _begin(run: SweepContext, name: str, trial: Trial) -> WorkerConfig:
    directory = _directory(run, trial)
    run.begin(name, trial, directory, kind="baseline")
    return run.worker_config(trial, directory, run.sweep.baseline)


def _train_in_group(run: SweepContext, name: str, config: WorkerConfig) -> None:
    attempts = Attempts(run, run.sweep.baseline)
    crashed = False
    while not crashed:
        try:
            with keeping_handlers():
                trainer(config, name="train").fit()
            break
        except (ray.train.TrainingFailedError, ray.exceptions.RayError) as failure:
            require_cluster()
            crashed = attempts.failed(name, failure) is Next.FAILED  # nothing runs beside it in any case
    settle_trial(run, name, crashed=crashed)


def _require_complete(run: SweepContext, name: str) -> None:
    record = run.ledger.trials[name]
    if record.state is not TrialState.COMPLETE:
        raise TrialsFailedError(f"{run.directory_of(record)}: the baseline failed: {record.stop_reason}")
