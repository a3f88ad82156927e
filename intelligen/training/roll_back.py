"""Roll-back to good weights: noted at an epoch's end, done at the start of the next."""

from collections.abc import Mapping

from intelligen.config.metric_direction import improves
from intelligen.state import layout
from intelligen.training.checkpoint import WEIGHTS, load_weights
from intelligen.training.progress import Progress
from intelligen.training.selected_weights import selected_weights
from intelligen.training.training_setup import Setup


def note_roll_back(setup: Setup, progress: Progress, metrics: Mapping[str, float]) -> None:
    """Give the strategy what an epoch measured, and note whether it asks to go back.

    That waits until the next epoch begins: this one's checkpoint is to hold the weights that it measured.
    """
    if setup.strategy.criterion.observe(metrics, epoch=progress.epoch):
        progress.rolled_back_epoch = progress.epoch


def roll_back_if_due(setup: Setup, progress: Progress) -> None:
    """At the beginning of an epoch, go back where that was noted; updates, data order and history go on.

    The weights are those of the best epoch so far, or those that training started from where no epoch was better.

    Raises:
        StorageError: They are damaged or gone.

    """
    begins = progress.update == progress.epoch * setup.epoch_updates
    if not (begins and progress.epoch and progress.rolled_back_epoch == progress.epoch):
        return
    start, metric = setup.trial.start, setup.selection_metric
    assert start is not None
    assert progress.best_value is not None
    if improves(metric, progress.best_value, than=progress.start_metrics[metric]):
        best = setup.checkpoints.at(progress.best_update)
        load_weights(setup.model, best.path / WEIGHTS)
        setup.strategy.roll_back(best.training_state())
    else:
        load_weights(setup.model, selected_weights(layout.baseline(setup.runtime.store, start)))
        setup.strategy.reset_optimizer()
