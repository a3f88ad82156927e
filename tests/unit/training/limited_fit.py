"""A training in a process of its own, whose address space is limited while it trains, as `ulimit -v` does it."""

import ctypes
import os
import resource
import signal
import threading
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import torch
import torch._dynamo  # which an optimizer imports: its code is not to count as what a training takes

from intelligen.config.schema.experiment import Trial
from intelligen.errors import IntelligenError
from intelligen.training.fit import fit
from intelligen.training.memory_allocator import return_freed_memory
from intelligen.training.runtime import Runtime

_M_ARENA_MAX = -8


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    said: str
    """What it noted, and the error that ended it."""
    peak: int
    """The most bytes that its address space ever had."""
    held: dict[int, int]
    """Update → bytes that it had after it, without what can be given back; 0 = before its set-up."""

    def between(self, share: float, *, after: int) -> int:
        """So large a share of what it took at most beyond what it had after an update."""
        return int(share * (self.peak - self.held[after]))


def limited_fit(
    trial: Trial, store: Path, directory: Path, *, after: int = 0, extra: int | None = None, dies: bool = False
) -> Trained:
    """Train; after an update the process may have so many bytes more than it has then.

    Raises:
        EOFError: It was to die by SIGKILL where it says how it goes on.

    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["limited_fit"])  # so that a child need not import torch again
    heard, answer = context.Pipe(duplex=False)
    child = context.Process(target=_train, args=(trial, store, directory, after, extra, dies, answer))
    child.start()
    answer.close()
    try:
        trained: Trained = heard.recv()
    finally:
        child.join()
    return trained


def _train(trial: Trial, store: Path, directory: Path, after: int, extra: int | None, dies: bool, answer: Any) -> None:
    # Arenas of other threads would count in the address space.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    threading.stack_size(2**18)  # of 8 MiB else, which a limit may refuse where it should refuse tensors
    torch.set_num_threads(1)
    said: list[str] = []
    held: dict[int, int] = {}

    def updated(update: int, _: int = 0) -> None:
        if update not in held:
            return_freed_memory()
            held[update] = psutil.Process().memory_info().vms
            if update == after and extra is not None:
                resource.setrlimit(resource.RLIMIT_AS, (held[update] + extra,) * 2)

    def noted(line: str) -> None:
        said.append(line)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    updated(0)
    try:
        fit(trial, Runtime(store, directory, updated=updated, noted=noted))
    except IntelligenError as error:
        said.append(str(error))
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak"))
    answer.send(Trained("\n".join(said), int(peak.split()[1]) * 1024, held))
