"""The updates of an epoch: checked for divergence, and saved now and then."""

import time
from dataclasses import dataclass

from intelligen.optimization import MetricSums
from intelligen.training.divergence import DivergedError, not_finite
from intelligen.training.memory_probe import shrunk
from intelligen.training.memory_shortage import Shortage, tried
from intelligen.training.progress import Progress
from intelligen.training.resume import save
from intelligen.training.runtime import Runtime
from intelligen.training.training_setup import Setup

FINITE_CHECK_UPDATES = 20  # reading a GPU's numbers makes it wait, so not at every update


@dataclass(frozen=True)
class Trained:
    """What the updates of a whole epoch came to."""

    metrics: dict[str, float]
    """`train/loss`, …: means over all ranks."""
    seconds: float
    processor_s: float
    """Processor time of this process, which other work on the machine does not lengthen."""
    target_tokens: int


def train_updates(setup: Setup, progress: Progress) -> Trained:
    """Make the updates of the epoch under way that are left.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written.

    """
    every, last = setup.trial.training.checkpoint_updates, (progress.epoch + 1) * setup.epoch_updates
    sums, before, start = MetricSums.from_lists(progress.partial_sums), progress.partial_seconds, time.perf_counter()
    first, processor_start = progress.update, time.process_time()
    while progress.update < last:
        sums.add(_update(setup, progress))
        saves = every is not None and progress.update % every == 0 and progress.update < last
        if saves or progress.update % FINITE_CHECK_UPDATES == 0 or progress.update == last:
            _require_finite(setup, sums, progress.update)
        if saves:
            progress.partial_seconds = before + time.perf_counter() - start
            progress.partial_sums = _gathered(sums, setup.runtime).to_lists()
            save(setup, progress)
    seconds, processor_s = before + time.perf_counter() - start, time.process_time() - processor_start
    # Of the updates that an earlier process made of this epoch, it is not known: each took as much as one of these.
    processor_s *= setup.epoch_updates / (last - first)
    return Trained(_gathered(sums, setup.runtime).means(), seconds, processor_s, progress.partial_tokens)


def _update(setup: Setup, progress: Progress) -> MetricSums:
    """Make one update from this rank's micro-batches."""
    progress.update += 1
    at_most = setup.memory.micro_batch_tokens(progress.update)
    micro_batches = setup.loader.next_update(at_most=at_most)
    step = setup.update_context(progress.update, at_most=at_most)
    device = setup.runtime.device
    sums = tried(lambda: setup.strategy.train_step([batch.to(device) for batch in micro_batches], step), device)
    if isinstance(sums, Shortage):
        raise shrunk(setup, sums, what=f"update {progress.update}")
    progress.target_tokens += micro_batches[0].update_targets
    progress.partial_tokens += micro_batches[0].update_targets
    setup.runtime.updated(progress.update, setup.total_updates)
    return sums


def _require_finite(setup: Setup, sums: MetricSums, update: int) -> None:
    """All ranks get the same values, so all of them stop at the same update."""
    why = setup.strategy.divergence() or not_finite(_gathered(sums, setup.runtime).means())
    if why is not None:
        raise DivergedError(f"diverged: {why} by update {update}; lower the learning rate or warm up longer")


def _gathered(sums: MetricSums, runtime: Runtime) -> MetricSums:
    """Of all ranks together."""
    total = MetricSums()
    for pairs in runtime.gather(sums.to_lists()):
        total.add(MetricSums.from_lists(pairs))
    return total
