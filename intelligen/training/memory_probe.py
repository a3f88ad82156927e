"""Memory probe: the longest update is tried before the first one, and what does not fit is made in smaller parts."""

from intelligen.errors import ShrunkError
from intelligen.training.device_memory import PeakMemory, free_memory, within_free_memory
from intelligen.training.memory_allocator import return_unused_memory
from intelligen.training.memory_shortage import Shortage, tried
from intelligen.training.training_setup import Setup
from intelligen.training.trial_memory import halved

MOST_OF_FREE = 0.9
"""The share of the free memory that `auto` lets an update take."""


def probe(setup: Setup) -> None:
    """Try forward and backward of the longest rows once; weights, generators and the criterion stay as they are.

    On a processor no more is taken than is free, so that nothing is killed for it. Where micro-batches are to be found,
    they are halved until they leave a tenth of the free memory.

    Raises:
        MemoryShortageError: Not even a single row fits.
        ShrunkError: They do not fit; the trial's memory.json says in which parts they are to be tried.

    """
    device, given = setup.runtime.device, setup.trial.training.micro_batch_tokens
    while True:
        free, peak = free_memory(device), PeakMemory(device)
        with within_free_memory(device):
            outcome = tried(lambda: _rehearse(setup), device)
        if isinstance(outcome, Shortage):
            raise shrunk(setup, outcome, what="the longest update")
        taken, part = peak.bytes(), setup.loader.largest_part
        return_unused_memory()
        if given != "auto" and (given is not None or device.type == "cpu"):
            return
        too_much = taken is not None and taken + _moments(setup) > MOST_OF_FREE * free
        if part.rows == 1 or not any(setup.runtime.gather(too_much)):
            return
        setup.memory.bound_updates(part.tokens // 2, since=0)


def _rehearse(setup: Setup) -> None:
    device = setup.runtime.device
    at_most = setup.memory.micro_batch_tokens(1)
    batches = setup.loader.longest_update(at_most=at_most)
    setup.strategy.rehearse([batch.to(device) for batch in batches], setup.update_context(1, at_most=at_most))


def _moments(setup: Setup) -> int:
    """Bytes of Adam's two moments, which do not exist before the first update."""
    return 2 * sum(weight.nbytes for weight in setup.model.parameters() if weight.requires_grad)


def shrunk(setup: Setup, shortage: Shortage, *, what: str) -> ShrunkError:
    """Bound the trial's micro-batches by half of the largest that did not fit, from its last checkpoint on.

    Args:
        setup: What is trained.
        shortage: What was missing.
        what: Was being done, for people.

    Returns:
        What ends this attempt: an update that has begun cannot be made again, because discriminators, bandits and
        counters have moved already.

    Raises:
        MemoryShortageError: Not even a single row fits.

    """
    part, since = setup.loader.largest_part, setup.checkpoints.newest_update
    tokens = halved(part, shortage)
    setup.memory.bound_updates(tokens, since=since, shortage=shortage)
    return ShrunkError(
        f"out of memory in {what}: {shortage.amounts()}; goes on from update {since} in parts of at most"
        f" {tokens:,} tokens, where the largest had {part.tokens:,}"
    )
