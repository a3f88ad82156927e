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
from intelligen.sweep.trial_lifecycle import end_trial


def train_baselines(context: SweepContext) -> None:
    """Train what is missing: baselines of one worker inside Tune's actors, others over Ray Train, one by one.

    Raises:
        BusyError: Another process trains one of them.
        TrialsFailedError: One did not finish, so nothing can be compared.
        ClusterLostError: The cluster that it ran on is gone.

    """
    known = context.ledger.trials
    wanted = context.rows.baselines
    left = {
        name: one for name, one in wanted.items() if name not in known or known[name].state is not TrialState.COMPLETE
    }
    with ExitStack() as locks:
        for trial in left.values():
            locks.enter_context(trial_lock(_directory(context, trial)))
        missing = {}
        for name, trial in left.items():
            if read_result(_directory(context, trial)) is None:
                missing[name] = partial(_begin, context, name, trial)
            else:
                _begin(context, name, trial)
                end_trial(context, name, crashed=False)
        if context.sweep.baseline.workers == 1:
            run_fixed_trials(context, missing, resources=context.sweep.baseline, name="baseline")
        else:
            for name, begin in missing.items():
                _train_in_group(context, name, begin())
    for name in left:
        _require_complete(context, name)


def _directory(context: SweepContext, trial: Trial) -> Path:
    return layout.baseline(context.store, trial.identity)


def _begin(context: SweepContext, name: str, trial: Trial) -> WorkerConfig:
    directory = _directory(context, trial)
    context.begin(name, trial, directory, kind="start" if context.rows.experiments else "baseline")
    return context.worker_config(trial, directory, context.sweep.baseline)


def _train_in_group(context: SweepContext, name: str, config: WorkerConfig) -> None:
    attempts = Attempts(context, context.sweep.baseline)
    crashed = False
    while not crashed:
        try:
            with keeping_handlers():
                trainer(config, name="train").fit()
            break
        except (ray.train.TrainingFailedError, ray.exceptions.RayError) as failure:
            require_cluster()
            crashed = attempts.failed(name, failure) is Next.FAILED  # nothing runs beside it in any case
    end_trial(context, name, crashed=crashed)


def _require_complete(context: SweepContext, name: str) -> None:
    record = context.ledger.trials[name]
    if record.state is not TrialState.COMPLETE:
        raise TrialsFailedError(f"{context.directory_of(record)}: the baseline failed: {record.stop_reason}")
