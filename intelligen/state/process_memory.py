"""Memory of this process and of its host, as the system counts it."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self")
_CLEAR_PEAK = "5"
"""What resets VmHWM when it is written to /proc/PID/clear_refs (proc_pid_clear_refs(5))."""
_KINDS = ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData"))
"""Limits of a process, and what counts towards each."""


def clear_peak() -> bool:
    """Let `peak_bytes` count from now on; whether the system does so."""
    try:
        (_OWN / "clear_refs").write_text(_CLEAR_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """Most resident memory since this process began, or since `clear_peak`."""
    found = _status("VmHWM")
    if found is not None:
        return found
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def total_bytes() -> int:
    """What a process like this one may take here at most: the host's memory, or less where a limit says so."""
    limits = (limit for limit, _ in (*_own_limits(), *_limits_of_groups()))
    return min(psutil.virtual_memory().total, *limits, sys.maxsize)


def available_bytes() -> int:
    """What this process can still take: the least of what the host and its limits leave."""
    return max(0, min(shared_available_bytes(), *(limit - used for limit, used in _own_limits()), sys.maxsize))


def shared_available_bytes() -> int:
    """What all processes like this one can still take together: what the host and its control groups leave."""
    left = (limit - used for limit, used in _limits_of_groups())
    return max(0, min(psutil.virtual_memory().available, *left, sys.maxsize))


def new_process_bytes() -> int:
    """What a further process could take in all, of which this one's own limits leave it as much as this one had."""
    return min(shared_available_bytes(), total_bytes())


def has_address_space_limit() -> bool:
    """Whether this process may have only so many bytes of address space (`ulimit -v`)."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


@contextmanager
def within_available() -> Iterator[None]:
    """Meanwhile what would take more than is available fails, before the kernel kills this process or another for it.

    The bound is of memory that this process alone can write (RLIMIT_DATA), which is no less than what is resident.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    used = _status("VmData")
    if used is not None:
        bound = used + available_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _status(field: str) -> int | None:
    """A field of this process' status in bytes; none where the system has none."""
    with suppress(OSError):
        for line in (_OWN / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None


def _own_limits() -> Iterator[tuple[int, int]]:
    """(limit, used) of what bounds this process alone."""
    for kind, field in _KINDS:
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY and (used := _status(field)) is not None:
            yield soft, used


def _limits_of_groups() -> Iterator[tuple[int, int]]:
    """(limit, used) of what bounds this process and all others of its control groups together."""
    for folder in _groups():
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):  # there is no such file, or it says `max`
                bound = int((folder / limit).read_text(encoding="ascii"))
                # Before it kills, the kernel drops what it keeps of files.
                yield bound, int((folder / usage).read_text(encoding="ascii")) - _counted(folder, cached)


def _groups() -> Iterator[Path]:
    """The directories of the groups that bound this process' memory, of cgroup v2 and v1; none elsewhere."""
    try:
        lines = (_OWN / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            root = _GROUPS / controllers
            own = root / name.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root))


def _counted(folder: Path, field: str) -> int:
    lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.split()[0] == field), 0)
