"""`fit` trains one trial to its end, and resumes it from its last checkpoint."""

from functools import partial
from typing import Any

import torch

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.single_strategies import StandardMatched
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.errors import ConfigError, ShrunkError
from intelligen.models.compiled_layers import compile_layers
from intelligen.models.interfaces import Network
from intelligen.models.matmul import matmul_in_use, matmul_used
from intelligen.state import layout
from intelligen.state.history import History
from intelligen.state.pretrained_place import placed
from intelligen.state.trial_result import Result, claim_directory, read_result
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.checkpoint import Checkpoints, load_weights
from intelligen.training.initial_loading import load_initial
from intelligen.training.loop import train
from intelligen.training.matmul_choice import kept_matmul
from intelligen.training.memory_allocator import keep_freed_memory, return_freed_memory
from intelligen.training.memory_probe import probe
from intelligen.training.memory_shortage import naming_shortages
from intelligen.training.reproducibility_manifest import keep_manifest, require_same_data, take_manifest
from intelligen.training.resume import resume
from intelligen.training.runtime import Runtime
from intelligen.training.selected_weights import selected_weights
from intelligen.training.train_interval import TrainInterval
from intelligen.training.training_setup import Setup
from intelligen.training.trial_memory import TrialMemory

_FLASH_CAPABILITY = (8, 0)
"""Compute capability of the oldest GPU that torch's flash kernel runs on."""


def fit(trial: Trial, runtime: Runtime) -> Result:
    """Train a trial to its end, from its last checkpoint where there is one.

    Every epoch ends with validation, a durable checkpoint, a line of history and a report. When the trial
    has finished, the weights that validation prefers are written as `selected.safetensors`.

    Args:
        trial: Complete settings.
        runtime: Where it runs.

    Returns:
        The selected weights' validation metrics.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written or read.

    """
    result = fit_interval(trial, runtime, TrainInterval.whole(trial))
    assert result is not None
    return result


def fit_interval(trial: Trial, runtime: Runtime, interval: TrainInterval) -> Result | None:
    """Train a trial of a population until its interval ends.

    Args:
        trial: The settings with which it began.
        runtime: Where it runs.
        interval: The settings that it has now, and how far it trains with them.

    Returns:
        The selected weights' validation metrics; none where the trial is paused and is to go on.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        MemoryShortageError: Neither fits a single row, or what is needed beside the rows.
        ShrunkError: The memory of one of several ranks did not suffice: all of them are to begin again.
        StorageError: A checkpoint cannot be written or read.

    """
    done = read_result(runtime.directory)
    if done is not None:
        return done
    if runtime.rank == 0:
        claim_directory(runtime.directory, trial)
    keep_freed_memory()
    again = False
    while True:
        try:
            with naming_shortages(), matmul_used(kept_matmul(interval.settings, runtime)):
                return _train_from_checkpoint(interval, runtime, heard=again)
        except ShrunkError as shrunk:
            runtime.noted(str(shrunk))
            if runtime.world_size > 1:
                raise  # the others wait for this rank, so that all have to begin again
        # Behind the handler nothing refers to the model and its tensors any more.
        return_freed_memory()
        again = True


def _train_from_checkpoint(interval: TrainInterval, runtime: Runtime, *, heard: bool) -> Result | None:
    """Set up, take up the last checkpoint, and train until the interval ends.

    Args:
        interval: Settings and last epoch.
        runtime: Where it runs.
        heard: Whether the runtime has heard of the epochs so far from this process.

    Raises:
        ShrunkError: The memory did not suffice; from the last checkpoint on it is to go on in smaller parts.

    """
    setup = _set_up(interval.settings, runtime)
    progress, report = resume(setup, adopted_update=interval.adopted_update)
    with setup.memory.ending_together():
        if progress.update == 0 and setup.total_updates > 0:
            setup.memory.begin_with_hints(setup.loader.most_tokens)
            probe(setup)
        if runtime.rank == 0:
            _keep_manifest(setup, update=progress.update)
            if setup.initial is not None and progress.update == 0:
                runtime.noted(f"initial weights: {setup.initial.line()}")
        if report is not None and not heard:
            runtime.resumed(report)
        return train(setup, progress, until_epoch=interval.until_epoch)


def epoch_updates(trial: Trial, loader: Loader[Any]) -> int:
    """Updates of each epoch of a trial."""
    updates = trial.training.epoch_updates or loader.updates_per_pass
    if isinstance(trial.strategy, StandardMatched):
        return round(updates * trial.strategy.updates_ratio)
    return updates


def _set_up(trial: Trial, runtime: Runtime) -> Setup:
    """What this process trains the trial with, at its beginning."""
    prepared = open_prepared(layout.prepared(runtime.store, trial.prepared))
    require_same_data(runtime.directory, prepared)
    task = build_task(trial.task)
    model = task.build_model(placed(trial.model, runtime.store), prepared, seed=trial.seed)
    initial = None
    if trial.initial is not None:
        initial = load_initial(model, trial.initial, prepared=prepared, store=runtime.store)
    if trial.start is not None:
        load_weights(model, selected_weights(layout.baseline(runtime.store, trial.start)))
    model.to(runtime.device)
    _set_for_gpu(model, trial, runtime)
    loader = Loader(
        task.examples(prepared.split("train"), prepared),
        batch_tokens=trial.training.batch_tokens,
        batch_rows=trial.training.batch_rows,
        micro_batch_tokens=trial.training.most_micro_batch_tokens,
        seed=trial.seed,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )
    updates = epoch_updates(trial, loader)
    strategy = build_strategy(
        trial,
        model=model,
        wrap=runtime.wrap,
        decode=partial(task.written, prepared),
        loss=partial(task.loss, label_smoothing=trial.training.label_smoothing),
        total_updates=updates * trial.training.epochs,
        world_size=runtime.world_size,
    )
    return Setup(
        trial,
        task,
        runtime,
        prepared,
        model,
        loader,
        strategy,
        epoch_updates=updates,
        checkpoints=Checkpoints(runtime.directory),
        history=History(runtime.directory) if runtime.rank == 0 else None,
        memory=TrialMemory(runtime),
        initial=initial,
    )


def _set_for_gpu(model: Network, trial: Trial, runtime: Runtime) -> None:
    """Have a model do what its settings ask for on a GPU.

    Raises:
        ConfigError: The trial runs on no GPU, or on one that is too old.

    """
    training, device = trial.training, runtime.device
    key = "training" if trial.start is None else "finetuning"
    asked = {
        f"{key}.compile: compiles for a GPU": training.compile,
        f"{key}.flash_attention: is a GPU's": training.flash_attention,
        "decoding.cuda_graphs: decodes on a GPU": trial.decoding.cuda_graphs,
    }
    for setting, wanted in asked.items():
        if wanted and device.type != "cuda":
            raise ConfigError(f"{setting}, and this training runs on a CPU; set it to false")
    if training.flash_attention and torch.cuda.get_device_capability(device) < _FLASH_CAPABILITY:
        raise ConfigError(f"{key}.flash_attention: needs a GPU of compute capability 8.0 or later; set it to false")
    if training.compile:
        compile_layers(model)
    model.flash_attention, model.cuda_graphs = training.flash_attention, trial.decoding.cuda_graphs


def _keep_manifest(setup: Setup, *, update: int) -> None:
    """Write down what the numbers after an update will follow from, before there are any."""
    runtime = setup.runtime
    manifest = take_manifest(
        setup.trial,
        store=runtime.store,
        device=runtime.device,
        threads=torch.get_num_threads(),
        processes=runtime.world_size,
        matmul=matmul_in_use(),
        micro_batch_tokens=setup.memory.micro_batch_tokens(update + 1),
    )
    keep_manifest(runtime.directory, manifest, update=update)
