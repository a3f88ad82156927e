"""Memory hints: what earlier trials of a row found to fit in a device's memory, for the next one to begin with."""

from collections.abc import Iterable
from pathlib import Path

from intelligen.state.memory_bounds import MemoryBounds


def memory_hints(directories: Iterable[Path]) -> dict[str, int]:
    """Device, by the name in memory.json → the most tokens of a micro-batch that fitted there.

    Args:
        directories: Of trials; those whose memory sufficed have nothing to say.

    Raises:
        StorageError: A memory.json is damaged.

    """
    hints: dict[str, int] = {}
    for directory in directories:
        for bound in MemoryBounds.read(directory).entries:
            if (tokens := bound.micro_batch_tokens) is not None:
                hints[bound.device] = min(tokens, hints.get(bound.device, tokens))
    return hints
