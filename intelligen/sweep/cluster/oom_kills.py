"""Out-of-memory kills: whether the kernel of a trial's host killed its process."""

from pathlib import Path

import ray

from intelligen.errors import MemoryShortageError
from intelligen.state.heartbeat import memory_kills, read_worker
from intelligen.sweep.cluster.host_query import query_host


def killed_for_memory(directory: Path) -> MemoryShortageError | None:
    """The error of a trial whose process died while its host's kernel killed for memory; else None.

    Args:
        directory: The trial's; a process that was killed leaves its heartbeat there.

    """
    worker = read_worker(directory)
    if worker is None or worker.memory_kills is None:
        return None
    try:
        kills: int | None = query_host(worker.host, kernel_memory_kills)
    except ray.exceptions.RayError:
        return None  # the host does not answer
    if kills is None or kills <= worker.memory_kills:
        return None
    return MemoryShortageError(f"out of memory: the kernel of {worker.host} killed its process")


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def kernel_memory_kills() -> int | None:
    """How often the kernel of its own host has killed a process for memory."""
    return memory_kills()
