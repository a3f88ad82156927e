"""One epoch: its updates, validation, a durable checkpoint, a report."""

import time

from intelligen.evaluation import Evaluation
from intelligen.state.history import INITIAL_WEIGHTS, Report, ValidationSample
from intelligen.state.memory_bounds import MEMORY_TAG
from intelligen.training.divergence import DivergedError, not_finite
from intelligen.training.kept_weights import keep_weights
from intelligen.training.memory_allocator import return_free_pages
from intelligen.training.progress import Progress
from intelligen.training.resource_monitor import ResourceMonitor, Usage
from intelligen.training.resume import save
from intelligen.training.roll_back import note_roll_back, roll_back_if_due
from intelligen.training.start_metrics import start_metrics
from intelligen.training.training_setup import Setup
from intelligen.training.update_loop import train_updates
from intelligen.training.validation import named, validate


def measure_start(setup: Setup, progress: Progress) -> None:
    """Validate the weights that a fine-tuning starts from: later epochs are compared with them.

    Raises:
        DivergedError: NaN or infinity in what is measured.

    """
    progress.start_metrics = start_metrics(setup, lambda: dict(named(_validated(setup, progress)[0])))
    note_roll_back(setup, progress, progress.start_metrics)


def train_epoch(setup: Setup, progress: Progress) -> None:
    """Train one epoch, or the rest of it.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written or read.

    """
    runtime = setup.runtime
    roll_back_if_due(setup, progress)
    return_free_pages()
    with ResourceMonitor(runtime.device) as monitor:
        trained = train_updates(setup, progress)
        return_free_pages()
        validation_start = time.perf_counter()
        evaluation, samples = _validated(setup, progress)
        validation_s = time.perf_counter() - validation_start
    usages = runtime.gather(monitor.usage())
    metrics = {
        **trained.metrics,
        **named(evaluation),
        "time/epoch_s": trained.seconds,
        "time/validation_s": validation_s,
        f"throughput/{setup.trial.task.targets}_per_s": trained.target_tokens / trained.seconds,
        "cost/device_s": (trained.seconds + validation_s) * runtime.world_size,
        **Usage.metrics(usages),
    }
    if runtime.device.type == "cpu":
        metrics["cost/processor_s"] = sum(runtime.gather(trained.processor_s))
    tags = {**evaluation.signatures, **Usage.tags(usages)}
    if setup.initial is not None:
        tags[INITIAL_WEIGHTS] = setup.initial.line()
    if (bound := setup.memory.micro_batch_tokens(progress.update)) is not None:
        tags[MEMORY_TAG] = str(bound)
    metric = setup.selection_metric
    progress.end_epoch(metrics[metric], metric=metric, averaged=setup.trial.training.average_last)
    report = runtime.broadcast(_report(progress, metrics, tags, samples))
    note_roll_back(setup, progress, report.metrics)
    _keep_weights(setup, progress)
    save(setup, progress, report)
    runtime.report(report)


def _keep_weights(setup: Setup, progress: Progress) -> None:
    """On rank 0, keep the weights that others are to start from, before the checkpoint by which the epoch has ended."""
    if setup.history is not None and progress.epoch in (setup.trial.training.keep_epochs or ()):
        keep_weights(
            setup.runtime.directory,
            epoch=progress.epoch,
            update=progress.update,
            model=setup.model,
            vocabularies=setup.prepared.vocabulary_hashes,
        )


def _report(
    progress: Progress, metrics: dict[str, float], tags: dict[str, str], samples: tuple[ValidationSample, ...]
) -> Report:
    return Report(
        epoch=progress.epoch,
        update=progress.update,
        target_tokens=progress.target_tokens,
        time_ms=int(time.time() * 1000),
        metrics=metrics,
        tags=tags,
        samples=samples,
    )


def _validated(setup: Setup, progress: Progress) -> tuple[Evaluation, tuple[ValidationSample, ...]]:
    """Validate the weights as they are now."""
    evaluation, samples = validate(setup, update=progress.update)
    why = not_finite(named(evaluation))
    if why is not None:
        raise DivergedError(f"diverged: {why} at update {progress.update}; lower the learning rate")
    return evaluation, samples
