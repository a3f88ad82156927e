"""Memory shortage: which errors mean that the memory of the host or of a GPU did not suffice, decided here alone."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from intelligen.errors import IntelligenError, MemoryShortageError

# torch tells these errors from others by their texts alone; the tests raise the real ones. In the order of the
# alternatives: torch's allocator on a processor, C++'s, oneDNN's, CUDA's, those of cuBLAS and cuDNN.
_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|std::bad_alloc"
    r"|could not (create|execute) a (primitive|memory object)"
    r"|CUDA error: out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
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
        case RuntimeError():
            if not _NO_MEMORY.search(str(error)):
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
