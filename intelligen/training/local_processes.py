"""Local process group: several processes of this machine train one trial together."""

import os
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torch import distributed
from torch.multiprocessing.spawn import ProcessException, spawn

from intelligen.errors import IntelligenError, ShrunkError


def in_group(work: Callable[[], None], *, processes: int) -> None:
    """Do the same work in new processes that are one gloo group, and wait for them.

    Where the memory of one does not suffice, all begin again in smaller parts, until a single row does not fit.

    Args:
        work: What can be pickled, such as a partial of a module's function.
        processes: How many.

    Raises:
        IntelligenError: One of them raised it.

    """
    while True:
        try:
            return _once_in_group(work, processes=processes)
        except ShrunkError:
            pass  # the trial's memory.json says how it goes on


def _once_in_group(work: Callable[[], None], *, processes: int) -> None:
    raised = get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="intelligen-") as folder:
        arguments = (processes, work, Path(folder) / "rendezvous", raised)
        try:
            spawn(_work_as_rank, args=arguments, nprocs=processes)  # type: ignore[no-untyped-call]
        except ProcessException:
            # Where one has raised, the others lose it in the midst of talking to it.
            if raised.empty():
                raise
    if not raised.empty():
        raise raised.get()


def _work_as_rank(rank: int, processes: int, work: Callable[[], None], rendezvous: Path, raised: Any) -> None:
    store = distributed.FileStore(str(rendezvous), processes)  # type: ignore[attr-defined]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=processes)
    try:
        work()
    except IntelligenError as error:
        raised.put(error)
    finally:
        distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    # torch now and then aborts the process at the interpreter's exit ("terminate called without an active exception"),
    # after all its work has been done.
    os._exit(0)
