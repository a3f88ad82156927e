"""The training loop: epoch after epoch, the same for every strategy, for one process or many, with or without Ray."""

from intelligen.state.stop_reason import FINISHED
from intelligen.state.trial_result import Result
from intelligen.training.epoch import measure_start, train_epoch
from intelligen.training.health import unhealthy_reason
from intelligen.training.progress import Progress
from intelligen.training.training_setup import Setup
from intelligen.training.weight_selection import select, select_untrained


def train(setup: Setup, progress: Progress, *, until_epoch: int) -> Result | None:
    """Train until the trial has come to its end, or is paused.

    Args:
        setup: What is trained.
        progress: How far it has come.
        until_epoch: After which it is paused, unless it has come to its end.

    Returns:
        What it came to; none where it is paused and is to go on.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written or read.

    """
    if setup.trial.training.epochs == 0:
        return select_untrained(setup, FINISHED)
    if setup.trial.start is not None and progress.update == 0:
        measure_start(setup, progress)
    while True:
        if (sign := _unhealthy_reason(setup, progress)) is not None:
            return select(setup, progress, f"sick: {sign}", healthy=False)
        if (reason := _end(setup, progress)) is not None:
            return select(setup, progress, reason)
        if progress.epoch >= until_epoch:
            return None
        train_epoch(setup, progress)


def _unhealthy_reason(setup: Setup, progress: Progress) -> str | None:
    """Decided by rank 0, which keeps the history."""
    # What led to a roll-back was put right by it, and other weights have another past.
    since = max(progress.rolled_back_epoch, progress.adopted_epoch)
    epochs = [report.metrics for report in setup.reports if report.epoch > since]
    start = progress.start_metrics
    health, strategy = setup.trial.training.health, setup.trial.strategy
    return setup.runtime.broadcast(
        unhealthy_reason(health, start, epochs, watched=setup.task.watched, strategy=strategy) if start else None
    )


def _end(setup: Setup, progress: Progress) -> str | None:
    """Why a healthy trial ends; None where it goes on."""
    training = setup.trial.training
    if progress.epoch == training.epochs:
        return FINISHED
    if training.patience is not None and progress.epochs_without_gain >= training.patience:
        return f"no better validation score for {training.patience} epochs"
    return None
