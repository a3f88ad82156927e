"""Memory of several sizes of a micro-batch, each measured by a process of its own, and the largest that fits."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Trial, stored_trial
from intelligen.data.prepared_data import open_prepared
from intelligen.errors import IntelligenError, UnavailableError
from intelligen.state import layout
from intelligen.state.process_memory import new_process_bytes
from intelligen.training.device_memory import free_memory, within_free_memory
from intelligen.training.memory_measurement import MemoryUse, measure
from intelligen.training.memory_shortage import shortage_of
from intelligen.training.timing import Bench

Value = TypeVar("Value")
OUT_OF_MEMORY = "out of memory"
_FINENESS = 16
"""The search ends where the next size that does not fit is larger by no more than this part."""


@dataclass(frozen=True)
class Size:
    """What came of one size."""

    rows: int
    tokens: int
    use: MemoryUse | None
    """None where its process did not come to its end."""
    why: str | None = None
    """Why it did not."""

    def fits(self, memory_bytes: int) -> bool:
        """Whether its process came to its end within so much memory."""
        return self.use is not None and self.use.memory_bytes <= memory_bytes


@dataclass(frozen=True)
class Place:
    """Where sizes are measured."""

    store: Path
    device: torch.device
    threads: int
    matmul: Matmul = "mkl"


class MemorySizes:
    """Measures sizes of a trial, and remembers them.

    Args:
        trial: Complete settings.
        place: Where.
        longest: Positions of the training split's longest row.

    """

    def __init__(self, trial: Trial, place: Place, *, longest: int) -> None:
        self._trial, self._place, self._longest = trial, place, longest
        # To ask about a GPU takes some of its memory, for as long as the process lives that asks.
        on_gpu = place.device.type == "cuda"
        self.memory_bytes = in_a_process(partial(free_memory, place.device)) if on_gpu else new_process_bytes()
        """What a process could take at the beginning."""
        self.known: dict[int, Size] = {}

    def fits(self, size: Size) -> bool:
        """Whether its process came to its end within the memory that there is."""
        return size.fits(self.memory_bytes)

    def measured(self, rows: int) -> Size:
        """What so many rows take, by a process of its own.

        Raises:
            IntelligenError: The data are damaged, or the device cannot be used.

        """
        if rows not in self.known:
            tokens = rows * self._longest
            try:
                use = in_a_process(partial(_measure, self._trial.model_dump_json(), self._place, rows))
                self.known[rows] = Size(rows, tokens, use)
            except EndedError as ended:
                self.known[rows] = Size(rows, tokens, None, str(ended))
        return self.known[rows]

    def search(self, most_rows: int) -> Iterator[Size]:
        """Measure further sizes, at most so many rows, until the largest that fits is known, to a sixteenth."""
        while (rows := next_rows(self.in_order(), memory_bytes=self.memory_bytes, most_rows=most_rows)) is not None:
            yield self.measured(rows)

    def in_order(self) -> list[Size]:
        """What is known, the smallest first."""
        return [self.known[rows] for rows in sorted(self.known)]

    @property
    def largest(self) -> Size | None:
        """The largest of the known ones that fits; none where none does."""
        return max((one for one in self.known.values() if self.fits(one)), key=lambda one: one.rows, default=None)

    @property
    def too_large(self) -> int | None:
        """Rows of the smallest known one that is larger; none where the largest known one fits."""
        low = 0 if self.largest is None else self.largest.rows
        return min((rows for rows in self.known if rows > low), default=None)


def next_rows(known: Sequence[Size], *, memory_bytes: int, most_rows: int) -> int | None:
    """Which size to measure next to find the largest that fits: by the line through two sizes, then by bisection.

    Args:
        known: What was measured, the smallest first; at least one.
        memory_bytes: What a process can take.
        most_rows: The largest size of interest.

    Returns:
        None once it is known to a sixteenth.

    """
    low = max((one.rows for one in known if one.fits(memory_bytes)), default=0)
    above = min((one.rows for one in known if one.rows > low), default=None)
    high, step = above or most_rows + 1, max(1, low // _FINENESS)
    if high - low <= step:
        return None
    between = (low + high) // 2 if above else min(2 * low, most_rows)
    guesses = [min(rows, most_rows) for rows in _guesses(known, memory_bytes)]
    return next((rows for rows in guesses if low + step <= rows < high), between)


def _guesses(known: Sequence[Size], memory_bytes: int) -> list[int]:
    """Rows that would take a little less than all the memory, and a little more, if two sizes say so."""
    uses = [one.use for one in known if one.use is not None][-2:]
    if len(uses) < 2 or uses[1].memory_bytes <= uses[0].memory_bytes:
        return []
    less, more = uses
    each = (more.memory_bytes - less.memory_bytes) / (more.rows - less.rows)
    whole = int(more.rows + (memory_bytes - more.memory_bytes) / each)
    return [whole * part // _FINENESS for part in (_FINENESS - 1, _FINENESS + 1)]


class EndedError(UnavailableError):
    """A process ended without a result; the message says how."""


def in_a_process(work: Callable[[], Value]) -> Value:
    """What a function returns in a new process.

    Raises:
        EndedError: It ran out of memory, or died.
        IntelligenError: Another one, which the function raised.

    """
    heard, told = get_context("spawn").Pipe(duplex=False)  # no queue, whose locks a kill would leave behind
    how = "interrupted"
    try:
        with _leaving_at_signals():
            spawn(_tell, args=(work, told), nprocs=1, daemon=True)  # type: ignore[no-untyped-call]
    except ProcessExitedException as ended:
        killed = ended.signal_name == signal.SIGKILL.name
        how = f"killed: {OUT_OF_MEMORY}" if killed else f"died: {ended.signal_name or f'exit code {ended.exit_code}'}"
    if not heard.poll():
        raise EndedError(how)
    found = heard.recv()
    if isinstance(found, IntelligenError):
        raise found
    result: Value = found
    return result


@contextmanager
def _leaving_at_signals() -> Iterator[None]:
    """Meanwhile what would end this process at once makes it leave, and so end the processes that it has started."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    fatal = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in fatal:
        signal.signal(one, leave)
    try:
        yield
    finally:
        for one in fatal:
            signal.signal(one, signal.SIG_DFL)


def _tell(rank: int, work: Callable[[], object], told: Any) -> None:
    try:
        told.send(work())
    except IntelligenError as error:
        told.send(error)
    except Exception as error:
        if shortage_of(error) is None:
            raise
        told.send(EndedError(OUT_OF_MEMORY))
    # As in `local_processes`: torch now and then aborts a process at the interpreter's exit.
    os._exit(0)


def _measure(trial: str, place: Place, rows: int) -> MemoryUse:
    settings = stored_trial(trial)
    with within_free_memory(place.device):
        prepared = open_prepared(layout.prepared(place.store, settings.prepared))
        return measure(settings, Bench(prepared, place.device, place.threads, None, place.matmul), rows=rows)
