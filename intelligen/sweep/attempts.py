"""What follows from a failed attempt at a trial: another one, another one alone, the trial's end, or the launch's."""

from collections import Counter
from enum import Enum, auto
from pathlib import Path

import ray
from ray.exceptions import RayError

from intelligen.config.sweep import Resources
from intelligen.errors import IntelligenError, MemoryShortageError, NodeLostError
from intelligen.sweep.autoscaling import cluster_capacity
from intelligen.sweep.causes import fault_of, first_line, unwrapped
from intelligen.sweep.lifeline import require_cluster
from intelligen.sweep.memory_kills import killed_for_memory
from intelligen.sweep.outcome import read_failure, write_failure
from intelligen.sweep.sweep_run import SweepRun


class Next(Enum):
    """What follows from a failed attempt."""

    AGAIN = auto()
    """Another attempt."""
    ALONE = auto()
    """Another attempt, with nothing beside it."""
    FAILED = auto()
    """The trial has failed; the reason lies in its directory."""


class Attempts:
    """The attempts of one launch.

    Only what the trial itself did is counted. What the place did is not: see `causes`.

    Args:
        run: The launch.
        resources: What each trial takes, and how often it may crash.

    """

    def __init__(self, run: SweepRun, resources: Resources) -> None:
        self._run = run
        self._resources = resources
        self._crashes: Counter[str] = Counter()
        self._short_of_memory: set[str] = set()

    def failed(self, name: str, error: BaseException) -> Next:
        """Judge an attempt that ended by an error.

        Args:
            name: The trial's, in the ledger.
            error: What ended it, as Ray tells of it.

        Raises:
            IntelligenError: A fault of the place, which ends the launch.

        """
        directory = self._run.directory_of(self._run.ledger.trials[name])
        if name in self._run.stalled:
            self._run.stalled.discard(name)
            return Next.AGAIN
        if read_failure(directory) is not None:
            return Next.FAILED  # what ended it has left the reason
        match fault_of(error, place=directory) or _killed_for_memory(error, directory):
            case None:
                return self._crashed(name, directory, error)
            case NodeLostError() as fault:
                self._require_place(fault)
                return Next.AGAIN
            case MemoryShortageError() as fault if name in self._short_of_memory:
                write_failure(directory, f"{fault}; nothing ran beside it")
                return Next.FAILED
            case MemoryShortageError():
                self._short_of_memory.add(name)
                return Next.ALONE
            case fault:
                raise fault

    def _crashed(self, name: str, directory: Path, error: BaseException) -> Next:
        self._crashes[name] += 1
        if self._crashes[name] < self._resources.attempts:
            return Next.AGAIN
        require_cluster()
        write_failure(directory, _reason(unwrapped(error, place=directory)))
        return Next.FAILED

    def _require_place(self, lost: IntelligenError) -> None:
        """All workers of the trial find room, now or on nodes that can be added; otherwise Ray would wait forever.

        Raises:
            NodeLostError: They do not.

        """
        require_cluster()
        capacity = cluster_capacity(ray.get_runtime_context().gcs_address)
        if not capacity.fitting(self._resources):
            left = f"the nodes that are left have no room for the trial ({capacity.listed() or 'there are none'})"
            raise NodeLostError(f"{lost}; {left}: run the same command once there is room")


def _killed_for_memory(error: BaseException, directory: Path) -> MemoryShortageError | None:
    """A trial that has raised an error was not killed, whatever the kernel killed on its host meanwhile."""
    return killed_for_memory(directory) if isinstance(unwrapped(error, place=directory), RayError) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, RayError):
        return "its process died at every attempt; its trial.log shows how far they came"
    return f"it crashed at every attempt: {first_line(error)}; its trial.log shows where"
