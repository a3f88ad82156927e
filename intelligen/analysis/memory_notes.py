"""Notes on trials whose memory did not suffice: in which parts they made their updates."""

from collections.abc import Iterator

from intelligen.analysis.study import StudyResults
from intelligen.state.memory_bounds import MemoryBounds


def memory_notes(study: StudyResults) -> Iterator[str]:
    """One note per trial, on the last of its bounds.

    Raises:
        StorageError: A memory.json is damaged.

    """
    for member in study.members:
        bounds = MemoryBounds.read(member.record.within(study.directory)).entries
        bounded = [one for one in bounds if one.micro_batch_tokens is not None]
        if bounded:
            last = bounded[-1]
            since = f" since update {last.since_update}" if last.since_update else ""
            yield (
                f"{member.record.id} made its updates in parts of at most {last.micro_batch_tokens:,} tokens{since}:"
                f" its memory did not suffice for more (device: {last.device})"
            )
