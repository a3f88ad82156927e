"""Memory of a device: what a process may still take of it, the most that it took, and by which name it is known."""

from contextlib import AbstractContextManager, nullcontext

import psutil
import torch

from intelligen.state.process_memory import available_bytes, clear_peak, peak_bytes, total_bytes, within_available


def memory_name(device: torch.device) -> str:
    """By which shortages on a device are known: two devices of one name have the same memory.

    The name of a GPU; `cpu` and the bytes that a process may take there at most.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {total_bytes():,} bytes"


def free_memory(device: torch.device) -> int:
    """Bytes that this process can still take on a device."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        allowed = round(total * torch.cuda.get_per_process_memory_fraction(device))
        return max(0, min(free + unused, allowed - torch.cuda.memory_allocated(device)))
    return available_bytes()


def within_free_memory(device: torch.device) -> AbstractContextManager[None]:
    """Meanwhile what would take more than is free fails: a GPU's allocator does so by itself, a host would kill."""
    return within_available() if device.type == "cpu" else nullcontext()


class PeakMemory:
    """The most memory of a device that this process takes from now on, in bytes beyond what it holds now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: int | None = torch.cuda.memory_allocated(device)
        else:
            self._before = psutil.Process().memory_info().rss if clear_peak() else None

    def bytes(self) -> int | None:
        """So far; None where the system does not say."""
        if self._before is None:
            return None
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        return max(0, peak_bytes() - self._before)
