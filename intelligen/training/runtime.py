"""Runtime of a trial: its directory, device and ranks, and the callbacks that get its reports."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.schema.compute import Matmul
from intelligen.optimization import gather_over_ranks
from intelligen.state.history import Report

Value = TypeVar("Value")


def _ignore(*heard: object) -> None:
    """The callback without a scheduler or a terminal."""


@dataclass(frozen=True)
class Runtime:
    """What `fit` needs from outside. Ranks are torch.distributed's, however the processes were started."""

    store: Path
    """Holds `prepared/`, `baselines/` and `weights/`; every rank sees it."""
    directory: Path
    """The trial's own: checkpoints, history, result; every rank sees it."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    matmul: Matmul = "mkl"
    """By what a training that begins here computes its products; one that goes on does as its record says."""
    memory_hints: Mapping[str, int] = field(default_factory=dict)
    """Device, by its `memory_name` → the most tokens of a micro-batch that other trials like this found to fit."""
    report: Callable[[Report], None] = _ignore
    """Called on every rank at every epoch's end, after the checkpoint; what it raises ends the trial there."""
    resumed: Callable[[Report], None] = _ignore
    """Called on every rank where training goes on at an epoch's end, with its report: the scheduler may have
    died before. What it raises ends the trial there."""
    noted: Callable[[str], None] = _ignore
    """Called with a line for people: on rank 0 where a training begins, of what it starts from; on every rank
    where the memory of one does not suffice, of how they go on."""
    updated: Callable[[int, int], None] = _ignore
    """Called after every update with its number and the total."""

    @property
    def rank(self) -> int:
        """Rank of the process among the trial's."""
        return distributed.get_rank() if distributed.is_initialized() else 0

    @property
    def world_size(self) -> int:
        """Number of the trial's processes."""
        return distributed.get_world_size() if distributed.is_initialized() else 1

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module as gradient passes must call it: its gradients are averaged over the ranks."""
        if self.world_size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, forward_sync_buffers=False)

    def gather(self, value: Value) -> list[Value]:
        """Every rank's value, in rank order, on every rank."""
        return gather_over_ranks(value)

    def broadcast(self, value: Value) -> Value:
        """Rank 0's value on every rank."""
        if self.world_size == 1:
            return value
        values: list[Any] = [value]
        distributed.broadcast_object_list(values, src=0)
        received: Value = values[0]
        return received


@contextmanager
def threads_used(count: int) -> Iterator[None]:
    """So many threads of this process compute, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
