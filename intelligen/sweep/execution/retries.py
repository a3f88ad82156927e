"""Retries: a failed attempt is repeated, repeated with nothing beside it, or ends the trial or the launch."""

from collections import Counter
from enum import Enum, auto
from pathlib import Path

from ray.exceptions import RayError

from intelligen.config.schema.resources import Resources
from intelligen.errors import CrashedError, IntelligenError, MemoryShortageError, NodeLostError, ShrunkError
from intelligen.state.failure_file import read_failure, write_failure
from intelligen.state.memory_peak import read_peak
from intelligen.sweep.cluster.capacity_monitor import require_capacity
from intelligen.sweep.cluster.cluster_monitor import require_cluster
from intelligen.sweep.cluster.oom_kills import killed_for_memory
from intelligen.sweep.execution.failure_causes import fault_of, first_line, unwrapped
from intelligen.sweep.sweep_context import SweepContext


class Next(Enum):
    """What follows from a failed attempt."""

    AGAIN = auto()
    """Another attempt."""
    ALONE = auto()
    """Another attempt, with nothing beside it."""
    FAILED = auto()
    """The trial has failed; the reason lies in its directory."""


class AttemptCounter:
    """The attempts of one launch, at trials or at their scoring.

    Only an attempt's own failure counts. A fault of host or cluster does not: see `failure_causes`.

    Args:
        resources: What each attempt takes, and how often it may crash.

    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._crashes: Counter[str] = Counter()
        self._short_of_memory: set[str] = set()

    def failed(self, name: str, error: BaseException, *, directory: Path) -> Next | IntelligenError:
        """Decide what follows an attempt that ended by an error, or why no further attempt is made.

        Args:
            name: The trial's, in the ledger.
            error: What ended the attempt, as Ray raised it.
            directory: The trial's.

        Returns:
            A MemoryShortageError where an attempt with nothing beside it was killed for memory too, and a CrashedError
            where it crashed as often as it may.

        Raises:
            IntelligenError: A fault of host or cluster, which ends the launch.

        """
        match fault_of(error, directory=directory) or _killed_for_memory(error, directory):
            case None:
                return self._crashed(name, unwrapped(error, directory=directory))
            case NodeLostError() as fault:
                require_capacity(self._resources, fault)
                return Next.AGAIN
            case ShrunkError():
                return Next.AGAIN
            case MemoryShortageError() as fault if name in self._short_of_memory:
                return MemoryShortageError(f"{fault}, though nothing ran beside it{_took(directory)}")
            case MemoryShortageError():
                self._short_of_memory.add(name)
                return Next.ALONE
            case fault:
                raise fault

    def _crashed(self, name: str, error: BaseException) -> Next | CrashedError:
        self._crashes[name] += 1
        if self._crashes[name] < self._resources.attempts:
            return Next.AGAIN
        require_cluster()
        if isinstance(error, RayError):
            return CrashedError("its process died at every attempt")
        return CrashedError(f"it crashed at every attempt: {first_line(error)}")


class Attempts:
    """The attempts of one launch at trials.

    Args:
        context: The launch.
        resources: What each trial takes, and how often it may crash.

    """

    def __init__(self, context: SweepContext, resources: Resources) -> None:
        self._context = context
        self._attempt_counter = AttemptCounter(resources)

    def failed(self, name: str, error: BaseException) -> Next:
        """Decide what follows an attempt that ended by an error.

        Args:
            name: The trial's, in the ledger.
            error: What ended it, as Ray raised it.

        Raises:
            IntelligenError: A fault of host or cluster, which ends the launch.

        """
        directory = self._context.directory_of(self._context.ledger.trials[name])
        if name in self._context.stalled:
            self._context.stalled.discard(name)
            return Next.AGAIN
        if read_failure(directory) is not None:
            return Next.FAILED  # what ended it has left the reason
        following = self._attempt_counter.failed(name, error, directory=directory)
        if isinstance(following, Next):
            return following
        hint = "; its trial.log shows where" if isinstance(following, CrashedError) else ""
        write_failure(directory, f"{following}{hint}")
        return Next.FAILED


def _killed_for_memory(error: BaseException, directory: Path) -> MemoryShortageError | None:
    """A trial that has raised an error was not killed, whatever the kernel killed on its host meanwhile."""
    return killed_for_memory(directory) if isinstance(unwrapped(error, directory=directory), RayError) else None


def _took(directory: Path) -> str:
    """What a process had taken that was killed; nothing where it ended by an error of its own."""
    peak = read_peak(directory)
    return "" if peak is None else f"; it had taken {peak}"
