"""Memory of a trial: its bounds, the same on every rank, and how they become stricter where it does not suffice."""

from collections.abc import Iterator
from contextlib import contextmanager

from intelligen.data.batches import PaddedPart
from intelligen.errors import IntelligenError, MemoryShortageError, ShrunkError
from intelligen.state.memory_bounds import MemoryBound, MemoryBounds
from intelligen.training.device_memory import memory_name
from intelligen.training.memory_shortage import Shortage
from intelligen.training.runtime import Runtime


class TrialMemory:
    """The bounds in a trial's memory.json, as rank 0 finds them when the trial's processes begin.

    Args:
        runtime: The trial's.

    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._bounds = runtime.broadcast(MemoryBounds.read(runtime.directory) if runtime.rank == 0 else MemoryBounds())

    def micro_batch_tokens(self, update: int) -> int | None:
        """The bound of an update's micro-batches beside that of the settings; none where there is none."""
        return self._bounds.micro_batch_tokens(update)

    def evaluation_tokens(self, update: int) -> int | None:
        """The bound of the batches of a validation at an update, likewise."""
        return self._bounds.evaluation_tokens(update)

    def begin_with_hints(self, most: int | None) -> None:
        """Before the first update, take over what other trials found on such a device; of several ranks the smallest.

        Args:
            most: Padded tokens of the largest micro-batch by the settings, where they bound it.

        """
        hint = self._runtime.memory_hints.get(memory_name(self._runtime.device))
        found = [tokens for tokens in self._runtime.gather(hint) if tokens is not None]
        if found and not self._bounds.entries and (most is None or min(found) < most):
            self.bound_updates(min(found), since=0)

    def bound_updates(self, tokens: int, *, since: int, shortage: Shortage | None = None) -> None:
        """Make the updates behind one in parts of at most so many tokens.

        Every rank that calls it writes the file, with the same bounds: where an update failed, the others may wait.
        """
        self._add(since, tokens, self.evaluation_tokens(since), shortage)
        self._bounds.write(self._runtime.directory, rank=self._runtime.rank)

    def bound_evaluation(self, tokens: int, *, since: int, shortage: Shortage) -> None:
        """Validate in batches of at most so many tokens from an update on; every rank calls it, and rank 0 writes."""
        self._add(since, self.micro_batch_tokens(since + 1), tokens, shortage)
        if self._runtime.rank == 0:
            self._bounds.write(self._runtime.directory)

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """Where another rank ends for want of memory, let this one, which loses it in the midst of talking, end alike.

        Raises:
            ShrunkError: In place of what the loss of the other raises.

        """
        try:
            yield
        except IntelligenError:
            raise
        except Exception:
            if self._were_made_stricter():
                what = "another process of this trial ran out of memory: all of them go on in smaller parts"
                raise ShrunkError(what) from None
            raise

    def _were_made_stricter(self) -> bool:
        """By another rank: what this one changes, all of them change."""
        written = MemoryBounds.read(self._runtime.directory).newest_micro_batch_tokens
        known = self._bounds.newest_micro_batch_tokens
        return written is not None and (known is None or written < known)

    def _add(self, since: int, micro: int | None, evaluation: int | None, shortage: Shortage | None) -> None:
        asked, free = (None, None) if shortage is None else (shortage.bytes_asked, shortage.bytes_free)
        name = memory_name(self._runtime.device)
        self._bounds = self._bounds.with_bound(MemoryBound(since, micro, evaluation, name, asked, free))


def halved(part: PaddedPart, shortage: Shortage) -> int:
    """The bound, in tokens, with which what did not fit is tried again.

    Raises:
        MemoryShortageError: It is a single row already.

    """
    if part.rows == 1:
        raise MemoryShortageError(
            f"out of memory: not even a row of {part.longest:,} tokens fits by itself: {shortage.amounts()}"
        )
    return part.tokens // 2
