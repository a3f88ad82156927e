"""A training in a process of its own, whose address space is limited while it trains, as `ulimit -v` does it."""

import ctypes
import os
import resource
import signal
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import torch

from intelligen.config.schema.experiment import Trial
from intelligen.errors import IntelligenError
from intelligen.training.fit import fit
from intelligen.training.memory_allocator import return_freed_memory
from intelligen.training.runtime import Runtime

_M_ARENA_MAX = -8


def limited_fit(
    trial: Trial, store: Path, directory: Path, *, after: int = 0, extra: int | None = None, dies: bool = False
) -> str:
    """Train; after an update (0 = before the set-up) the process may have so many bytes more than it has then.

    Returns:
        What it noted, and the error that ended it, line by line.

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
        said: str = heard.recv()
    finally:
        child.join()
    return said


def _train(trial: Trial, store: Path, directory: Path, after: int, extra: int | None, dies: bool, answer: Any) -> None:
    # Arenas of other threads would count in the address space.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    threading.stack_size(2**18)  # of 8 MiB else, which a limit may refuse where it should refuse tensors
    torch.set_num_threads(1)
    said: list[str] = []

    def updated(update: int, _: int = 0) -> None:
        if update == after and extra is not None:
            return_freed_memory()
            resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + extra, resource.RLIM_INFINITY))

    def noted(line: str) -> None:
        said.append(line)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    updated(0)
    try:
        fit(trial, Runtime(store, directory, updated=updated, noted=noted))
    except IntelligenError as error:
        said.append(str(error))
    answer.send("\n".join(said))
