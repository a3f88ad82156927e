"""Baselines and pre-trainings: one per seed, trained once and found again by content hash."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import ray
import ray.train

from intelligen.config.files.suggested_fixes import ANOTHER_SWEEP
from intelligen.config.schema.experiment import Trial
from intelligen.data.prepared_data import open_prepared
from intelligen.errors import ChangedError, TrialsFailedError
from intelligen.state import layout
from intelligen.state.file_lock import trial_lock
from intelligen.state.trial_records import Kind, TrialState
from intelligen.state.trial_result import read_result
from intelligen.sweep.cluster.cluster_monitor import require_cluster
from intelligen.sweep.cluster.ray_session import remove_groups
from intelligen.sweep.execution.fixed_trials import run_fixed_trials
from intelligen.sweep.execution.retries import Attempts, Next
from intelligen.sweep.execution.workers import WorkerConfig, trainer
from intelligen.sweep.row_trials import Start
from intelligen.sweep.signals import keeping_handlers
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import end_trial
from intelligen.training.reproducibility_manifest import require_same_data


def train_baselines(context: SweepContext, seeds: Sequence[int] | None = None) -> None:
    """Train the pre-trainings and then the baselines that are missing.

    Those of one worker train inside Tune's actors, others over Ray Train, one by one.

    Args:
        context: The launch.
        seeds: Whose they are; not given = those that every launch needs.

    Raises:
        BusyError: Another process trains one of them.
        ChangedError: An experiment that weights are taken from has other settings than when it was trained, or one
            that is there already was trained on other data.
        TrialsFailedError: One did not finish, so nothing can be compared.
        ClusterLostError: The cluster that it ran on is gone.

    """
    rows, seeds = context.rows, context.rows.seeds if seeds is None else seeds
    _train(context, rows.pretrainings_with(seeds), kind="start")
    _train(context, rows.baselines_with(seeds), kind="start" if rows.experiments else "baseline")


def _train(context: SweepContext, wanted: Mapping[str, Start], *, kind: Kind) -> None:
    known = context.ledger.trials
    for name, start in wanted.items():
        if name in known and context.directory_of(known[name]) != _directory(context, start.trial):
            raise ChangedError(
                f"{context.directory}: {name} was trained with other settings than its file has now; restore them, or"
                f" {ANOTHER_SWEEP}"
            )
    left = {
        name: one for name, one in wanted.items() if name not in known or known[name].state is not TrialState.COMPLETE
    }
    with ExitStack() as locks:
        for start in left.values():
            locks.enter_context(trial_lock(_directory(context, start.trial)))
        missing = {}
        for name, start in left.items():
            directory = _directory(context, start.trial)
            if read_result(directory) is None:
                missing[name] = partial(_begin, context, name, start, kind)
            else:
                require_same_data(directory, open_prepared(layout.prepared(context.store, start.trial.prepared)))
                _begin(context, name, start, kind)
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


def _begin(context: SweepContext, name: str, start: Start, kind: Kind) -> WorkerConfig:
    directory = _directory(context, start.trial)
    context.begin(name, start.trial, directory, kind=kind, row=start.row)
    return context.worker_config(start.trial, directory, context.sweep.baseline, row=start.row)


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
            if context.own_ray:
                remove_groups()
            crashed = attempts.failed(name, failure) is Next.FAILED  # nothing runs beside it in any case
    end_trial(context, name, crashed=crashed)


def _require_complete(context: SweepContext, name: str) -> None:
    record = context.ledger.trials[name]
    if record.state is not TrialState.COMPLETE:
        what = "the baseline" if record.kind == "baseline" else record.id
        raise TrialsFailedError(f"{context.directory_of(record)}: {what} failed: {record.stop_reason}")
