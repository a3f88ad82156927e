"""Notes on trials whose memory did not suffice: in which parts they made their updates."""

from collections import defaultdict
from collections.abc import Iterator

from intelligen.analysis.study import StudyResults
from intelligen.state.memory_bounds import MemoryBounds

_NAMED = 3


def memory_notes(study: StudyResults) -> Iterator[str]:
    """A note for each bound: the trials that came to it at last, and on which device.

    Raises:
        StorageError: A memory.json is damaged.

    """
    trials: dict[tuple[int, str], list[str]] = defaultdict(list)
    for member in study.members:
        for bound in reversed(MemoryBounds.read(member.record.within(study.directory)).entries):
            if bound.micro_batch_tokens is not None:
                since = f" (since update {bound.since_update})" if bound.since_update else ""
                trials[bound.micro_batch_tokens, bound.device].append(member.record.id + since)
                break
    for (tokens, device), names in trials.items():
        more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
        yield (
            f"{', '.join(names[:_NAMED] + more)}: updates were made in parts of at most {tokens:,} tokens, because the"
            f" memory did not suffice for more (device: {device})"
        )
