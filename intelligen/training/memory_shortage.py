"""Memory shortage: which errors mean that the memory of the host or of a GPU did not suffice, decided here alone."""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from safetensors import SafetensorError

from intelligen.errors import IntelligenError, MemoryShortageError
from intelligen.state.process_memory import has_address_space_limit
from intelligen.training.device_memory import free_memory
from intelligen.training.memory_allocator import return_freed_memory

Value = TypeVar("Value")

# In torch only their texts distinguish these errors from others. In the order of the alternatives: its allocator on a
# processor, C++'s, the system's, oneDNN's (its descriptors fail for what it cannot compute), CUDA's in the words of
# torch, Triton and NCCL, those of CUDA's libraries.
_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|std::bad_alloc|Cannot allocate memory"
    r"|could not (create|execute) a (primitive|memory object)(?! descriptor)"
    r"|CUDA (driver )?error: out of memory|\[CUDA\]: out of memory|Cuda failure (\d+ )?'out of memory'"
    r"|CU(BLAS|DNN|SPARSE|SOLVER)_STATUS_ALLOC_FAILED"
)
# What a limit of the address space refuses in other words: stacks of Python's and C++'s threads, and libraries.
_NO_ADDRESSES = re.compile(
    r"can't start new thread|Resource temporarily unavailable|failed to map segment from shared object$"
)
# "you tried to allocate 4000 bytes", "Tried to allocate 5.88 GiB.", "Unable to allocate 7.45 GiB for an array"
_ASKED = re.compile(r"allocate ([\d.]+) (bytes|[KMGTP]iB)")
_UNITS = {"bytes": 1} | {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)}


@dataclass(frozen=True)
class Shortage:
    """What is known of a shortage. The error itself holds frames, and these the tensors that are to be freed."""

    reason: str
    """The error's first line, or its type where it says nothing."""
    bytes_asked: int | None
    """What could not be had; none where the error does not say."""
    bytes_free: int | None = None
    """What was free then; none where that was not looked up."""

    def amounts(self) -> str:
        """What was asked for and what was free, as far as that is known."""
        asked = self.reason if self.bytes_asked is None else f"{self.bytes_asked:,} bytes were asked for"
        return asked if self.bytes_free is None else f"{asked}, {self.bytes_free:,} were free"

    def error(self) -> MemoryShortageError:
        """As an error of ours."""
        return MemoryShortageError(f"out of memory: {self.reason}")


def shortage_of(error: BaseException) -> Shortage | None:
    """What an error says of a shortage of memory; None where it is about something else."""
    match error:
        case MemoryError() | torch.OutOfMemoryError():
            pass
        case OSError():
            if error.errno != errno.ENOMEM:
                return None
        case RuntimeError() | ImportError() | SafetensorError():
            limited = has_address_space_limit() and _NO_ADDRESSES.search(str(error))
            if not (limited or _NO_MEMORY.search(str(error))):
                return None
        case _:
            return None
    text = error.strerror if isinstance(error, OSError) else str(error)
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    asked = _ASKED.search(str(error))
    return Shortage(
        lines[0][:300] if lines else type(error).__name__,
        None if asked is None else round(float(asked[1]) * _UNITS[asked[2]]),
    )


def tried(act: Callable[[], Value], device: torch.device) -> Value | Shortage:
    """What comes of an act, or of a shortage of memory in it: then what it had on the device can be freed by now.

    Other errors are raised.
    """
    try:
        return act()
    except Exception as error:
        found = shortage_of(error)
        if found is None:
            raise
        shortage = replace(found, bytes_free=free_memory(device))
    # Behind the handler nothing refers to the error any more, nor to the frames whose tensors are to be freed.
    return_freed_memory()
    return shortage


@contextmanager
def naming_shortages() -> Iterator[None]:
    """Raise what else ends for want of memory as an error of ours.

    Raises:
        MemoryShortageError: In place of an error of Python, torch or the system.

    """
    try:
        yield
    except IntelligenError:
        raise
    except Exception as error:
        shortage = shortage_of(error)
        if shortage is None:
            raise
        raise shortage.error() from error
