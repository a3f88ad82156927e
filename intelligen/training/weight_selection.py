"""Weight selection: the best epoch's or the average of the last, whichever validation prefers."""

from intelligen.config.metric_direction import improves
from intelligen.state.trial_result import Result
from intelligen.training.checkpoint import average_weights, load_weights
from intelligen.training.divergence import DivergedError, not_finite
from intelligen.training.memory_allocator import return_unused_memory
from intelligen.training.progress import Progress
from intelligen.training.selected_weights import write_result
from intelligen.training.training_setup import Setup
from intelligen.training.validation import named, validate


def select(setup: Setup, progress: Progress, stop_reason: str, *, healthy: bool = True) -> Result:
    """Write the selected weights and the result; the same on every rank.

    Raises:
        StorageError: A checkpoint is damaged or gone, or the disk is full or fails.

    """
    return_unused_memory()  # of the updates; the weights are loaded beside it
    runtime, metric = setup.runtime, setup.selection_metric
    metrics = runtime.broadcast(_validated_at(setup, progress.best_update) if runtime.rank == 0 else {})
    selected = f"best of {progress.epoch} epochs (update {progress.best_update})"
    best, ends = setup.checkpoints.weights(progress.best_update), progress.epoch_ends
    load_weights(setup.model, best)
    if len(ends) > 1:
        load_weights(setup.model, average_weights([setup.checkpoints.weights(update) for update in ends]))
        averaged = dict(named(validate(setup, update=progress.update)[0]))
        if improves(metric, averaged[metric], than=metrics[metric]):
            metrics, selected = averaged, f"average of the last {len(ends)} epochs"
        else:
            load_weights(setup.model, best)
    result = Result(selected, metrics, stop_reason, healthy=healthy)
    if runtime.rank == 0:
        result = write_result(runtime.directory, result, model=setup.model)
    return runtime.broadcast(result)


def select_untrained(setup: Setup, stop_reason: str) -> Result:
    """Write the weights as they were loaded, with what validation says of them; the same on every rank.

    Raises:
        DivergedError: NaN or infinity in what is measured.
        StorageError: The disk is full or fails.

    """
    metrics = dict(named(validate(setup, update=0)[0]))
    if why := not_finite(metrics):
        raise DivergedError(f"the weights as they were loaded cannot be validated: {why}")
    result = Result("the weights as they were loaded", metrics, stop_reason, healthy=True)
    if setup.runtime.rank == 0:
        result = write_result(setup.runtime.directory, result, model=setup.model)
    return setup.runtime.broadcast(result)


def _validated_at(setup: Setup, update: int) -> dict[str, float]:
    """Validation metrics of the epoch that ended at an update."""
    (report,) = (report for report in setup.reports if report.update == update)
    return {name: value for name, value in report.metrics.items() if name.startswith("valid/")}
