"""Memory of a device: what a process may still take of it, the most that it took, and by which name it is known."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

_GROUPS = Path("/sys/fs/cgroup")
_CLEAR_PEAK = "5"
"""What resets VmHWM when it is written to /proc/PID/clear_refs (proc_pid_clear_refs(5))."""


def memory_name(device: torch.device) -> str:
    """By which shortages on a device are known: two devices of one name have the same memory.

    The name of a GPU; `cpu` and the bytes that a process may take there at most.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    limits = [psutil.virtual_memory().total, *(limit for limit, _ in _limits())]
    return f"cpu, {min(limits):,} bytes"


def free_memory(device: torch.device) -> int:
    """Bytes that this process can still take on a device."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        allowed = round(total * torch.cuda.get_per_process_memory_fraction(device))
        return max(0, min(free + unused, allowed - torch.cuda.memory_allocated(device)))
    return max(0, min(psutil.virtual_memory().available, *(limit - used for limit, used in _limits())))


class PeakMemory:
    """The most memory of a device that this process takes from now on, in bytes beyond what it holds now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: int | None = torch.cuda.memory_allocated(device)
        else:
            self._before = psutil.Process().memory_info().rss if _cleared_peak() else None

    def bytes(self) -> int | None:
        """So far; None where the system does not say."""
        if self._before is None:
            return None
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        return max(0, _status("VmHWM") - self._before)


def address_space_limit() -> int | None:
    """Bytes of address space that this process may have (`ulimit -v`); None where it has no limit of its own."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _limits() -> Iterator[tuple[int, int]]:
    """Limits that bind this process on its host, and what is used of each: its address space, its control groups."""
    if (limit := address_space_limit()) is not None:
        yield limit, psutil.Process().memory_info().vms
    for folder in _memory_groups():
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            if (folder / most).exists() and (text := (folder / most).read_text().strip()).isdigit():  # or "max"
                yield int(text), int((folder / used).read_text())


def _memory_groups() -> Iterator[Path]:
    """The directories of the groups that bound this process' memory, of cgroup v2 and v1; none elsewhere."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = _GROUPS / controllers
            own = root / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root))


def _cleared_peak() -> bool:
    """Whether the peak of this process' resident memory counts from now on."""
    try:
        Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    """Bytes that the kernel says of this process under a name."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
