"""Saves and resumes a training: a checkpoint holds all that the next update follows from."""

from intelligen.errors import StorageError
from intelligen.state.history import Report
from intelligen.training.checkpoint import WEIGHTS, Checkpoint, load_weights
from intelligen.training.progress import Progress
from intelligen.training.training_setup import Setup


def save(setup: Setup, progress: Progress, report: Report | None = None) -> None:
    """Write a checkpoint on rank 0, and delete those that nothing needs any more.

    Args:
        setup: What is trained.
        progress: How far it has come.
        report: Of the epoch that ends here, if one does. It goes into the history after the checkpoint, which holds
            it too: where a kill comes between the two, `resume` makes up for it.

    Raises:
        StorageError: The disk is full or fails.

    """
    if setup.history is not None:
        meta = {
            **vars(progress),
            "loader": setup.loader.state_dict(),
            "report": None if report is None else report.to_json(),
        }
        training = setup.strategy.state_dict()
        setup.checkpoints.save(progress.update, model=setup.model, training=training, meta=meta)
        setup.checkpoints.keep_only(progress.kept_updates)
        if report is not None:
            setup.history.append(report)
    setup.runtime.broadcast(None)  # the others wait


def resume(setup: Setup, *, adopted_update: int | None) -> tuple[Progress, Report | None]:
    """Take up the last checkpoint, where there is one; every rank follows rank 0's choice of it.

    Args:
        setup: What is trained; it gets the checkpoint's weights and state.
        adopted_update: Where it goes on from another trial's checkpoint, that checkpoint's update.

    Returns:
        How far it has come, and the report of the epoch that has just ended; none elsewhere in an epoch.

    Raises:
        DataError: There are checkpoints, but none is whole.
        StorageError: A checkpoint cannot be read, or the history is damaged.

    """
    latest = setup.runtime.broadcast(None if setup.history is None else setup.checkpoints.latest())
    progress, report = (Progress(), None) if latest is None else _take_up(setup, latest, adopted_update)
    if setup.history is not None:
        if report is not None:
            setup.history.append(report)
        setup.history.truncate(after_epoch=progress.epoch)
        setup.history.require_epochs(progress.epoch)
    return progress, report


def _take_up(setup: Setup, latest: Checkpoint, adopted_update: int | None) -> tuple[Progress, Report | None]:
    if adopted_update is not None and latest.update < adopted_update:
        what = f"it takes over at update {adopted_update}, and what it had by then is damaged"
        raise StorageError(f"{latest.path}: {what}")
    adopts = latest.update == adopted_update  # later, it has begun to
    trained = setup.checkpoints.adopted(latest.update) if adopts else latest
    load_weights(setup.model, trained.path / WEIGHTS)
    setup.strategy.load_state_dict(trained.training_state())
    meta = dict(latest.meta)
    setup.loader.load_state_dict(meta.pop("loader"))
    report = meta.pop("report")
    progress = Progress(**meta)
    if adopts:
        progress.adopt()
    if setup.history is None:
        progress.partial_sums = {}  # they are of all ranks together: rank 0 carries them on
    return progress, None if report is None else Report.from_json(report)
