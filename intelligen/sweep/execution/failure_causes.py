"""Causes of failed attempts: the trial's own fault, or a fault of the machine, cluster or network.

A fault of the host or cluster is one of our errors with an exit code of its own: it ends the launch, and the trial is
left unfinished. A worker raises such an error itself, because Python's own errors lose their causes on the way through
Ray. The launcher reads it, and finds the cause by itself only where a worker died and could report nothing.
"""

import errno
import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import ray
import torch
from ray import tune
from ray.train.v2._internal.exceptions import (
    InsufficientClusterResourcesError,
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
)

from intelligen.errors import (
    BusyError,
    CannotCreateError,
    ConfigError,
    CrashedError,
    IntelligenError,
    MemoryShortageError,
    NodeLostError,
    StorageError,
    UnavailableError,
    unwritten,
)
from intelligen.state import layout
from intelligen.training.divergence import DivergedError
from intelligen.training.memory_shortage import shortage_of

OWN = (DivergedError, ConfigError)
"""What another attempt would end with, too."""
_ITS_OWN = (*OWN, CrashedError)

_NETWORK = {
    getattr(errno, name)
    for name in (
        *("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ENOTCONN", "ETIMEDOUT", "EADDRNOTAVAIL"),
        *("EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENETRESET"),
    )
}
_ONLY_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_BAD_DATABASE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
# These errors of torch and Ray differ by their texts alone; the tests raise the real ones.
_NO_DEVICE = re.compile(
    r"NVIDIA driver|CUDA driver|No CUDA GPUs|no CUDA-capable device|not compiled with CUDA|NCCL built in"
    r"|busy or unavailable|ECC error|CUDA unknown error|invalid device ordinal"
)
_NO_MEETING = re.compile(r"\bgloo\b|\bNCCL\b|c10d", re.IGNORECASE)
_LOW_NODE = "node running low on memory"
_NO_ENVIRONMENT = re.compile(r"[Ff]ailed to set up runtime environment")
_NODE = re.compile(r"\bip=([^,)\s]+)")
_NEVER_RAN = "The actor never ran"
_NODE_DIED = re.compile(r"node has died|node was (terminated|preempted)|node .* is dead")


def fault_of(error: BaseException, *, directory: Path) -> IntelligenError | None:
    """A fault of host or cluster, as an error that ends the launch; None where it is the trial's own, or unknown.

    Args:
        error: What ended an attempt, as its worker or Ray raised it.
        directory: The trial's directory, for what names no file.

    """
    *wrappings, innermost = _layers(error, directory)
    own = _ours(innermost)
    if own is not None:
        return None if isinstance(own, _ITS_OWN) else own
    fault = _fault(innermost, directory)
    nodes = [_NODE.search(str(layer)) for layer in wrappings if isinstance(layer, ray.exceptions.RayTaskError)]
    if fault is None or not nodes or nodes[-1] is None:
        return fault
    return type(fault)(f"{fault} (on node {nodes[-1][1]})")


def _fault(error: BaseException, directory: Path) -> IntelligenError | None:
    if (shortage := shortage_of(error)) is not None:
        return shortage.error()
    match error:
        case ray.exceptions.OutOfMemoryError():
            return MemoryShortageError(f"out of memory: {first_line(error)}")
        case ray.exceptions.RayError() | ray.train.PreemptionError():
            return _fault_of_ray(error)
        case InsufficientClusterResourcesError() | WorkerGroupStartupFailedError() | WorkerGroupStartupTimeoutError():
            return BusyError(f"its workers cannot be started: {first_line(error)}; run the same command once they can")
        case ImportError():
            return UnavailableError(f"{error}; install it there, and run the same command")
        case sqlite3.Error() if _primary(error) in _BAD_DATABASE:
            return StorageError(f"{directory}: SQLite: {error}; check its disk, and run the same command")
        case OSError():
            return _system_fault(error, directory)
        case torch.distributed.DistError():
            return _unmet(error)
        case RuntimeError() | AssertionError():
            return _fault_of_torch(error)
    return None


def at_host(error: BaseException, *, directory: Path) -> IntelligenError:
    """In a worker: what is to be raised in place of an error, so that the launcher can read its cause."""
    fault = fault_of(error, directory=directory)
    if fault is None:
        return CrashedError(f"{type(error).__name__}: {first_line(error)}")  # not every error can be pickled
    return type(fault)(f"{fault} (on host {socket.gethostname()})")


def unwrapped(error: BaseException, *, directory: Path) -> BaseException:
    """What Ray or SQLAlchemy has wrapped; of a group's errors the one that led to the others.

    Args:
        error: As Ray raises it.
        directory: The trial's directory.

    """
    *_, innermost = _layers(error, directory)
    return innermost


def _layers(error: BaseException, directory: Path) -> Iterator[BaseException]:
    """An error, and what it wraps, down to what wraps nothing."""
    from sqlalchemy.exc import DBAPIError  # takes half a second, which workers that do not fail need not wait

    inner: BaseException | None = error
    while inner is not None:
        yield (layer := inner)
        inner = None
        match layer:
            case ray.exceptions.RayTaskError() if isinstance(layer.cause, BaseException):
                inner = layer.cause
            case WorkerHealthCheckFailedError():
                inner = layer.health_check_failure
            case ray.train.ControllerError():
                inner = layer.controller_failure
            case DBAPIError():
                inner = layer.orig
            case tune.TuneError():
                inner = layer.__context__  # of which it holds the text
            case ray.train.WorkerGroupError() if layer.worker_failures:
                inner = min(layer.worker_failures.values(), key=lambda one: _consequence(one, directory))


def _consequence(error: BaseException, directory: Path) -> int:
    """How likely one worker's error follows from another's: those who wait for a dead one lose the network."""
    match fault_of(error, directory=directory):
        case None:
            return 0 if isinstance(_ours(unwrapped(error, directory=directory)), OWN) else 4
        case MemoryShortageError():
            return 2
        case NodeLostError():
            return 3
        case BusyError():
            return 5
    return 1


def first_line(error: BaseException) -> str:
    """Of an error's text, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _ours(error: BaseException) -> IntelligenError | None:
    """The first of our errors that it is, or that it came of: a log that cannot be closed hides why it is closed."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, IntelligenError):
        follows = seen.__cause__ is not None or not isinstance(seen, OSError) or seen.__suppress_context__
        seen = seen.__cause__ if follows else seen.__context__
    return seen


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code, which is the last byte of the extended one."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _system_fault(error: OSError, directory: Path) -> IntelligenError:
    path = Path(error.filename) if isinstance(error.filename, str) else directory
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or error.errno in _NETWORK:
        return BusyError(f"{path}: the network does not answer: {error}; run the same command once it does")
    if isinstance(error, FileNotFoundError):
        in_runs = _is_in_runs(path, directory)
        fix = "make the runs directory available on every node" if in_runs else "restore or install it"
        return StorageError(f"{path}: not there; {fix}, and run the same command")
    if error.errno in _ONLY_WRITING:
        return unwritten(path, error)
    kind = CannotCreateError if isinstance(error, PermissionError) else StorageError
    return kind(f"{path}: {error.strerror or error}; check its disk and its owner, and run the same command")


def _is_in_runs(path: Path, directory: Path) -> bool:
    """Whether a path lies in the runs directory of a trial's or sweep's directory: RUNS/sweeps/…, RUNS/baselines/…"""
    return any(path.is_relative_to(store) for store in layout.stores_above(directory))


def _fault_of_torch(error: BaseException) -> IntelligenError | None:
    text = str(error)
    if _LOW_NODE in text:
        return MemoryShortageError(f"out of memory: {first_line(error)}")
    if _NO_DEVICE.search(text):
        what = f"its GPU cannot be used: {first_line(error)}; check driver and torch there"
        return UnavailableError(f"{what}, or give -o resources.gpus_per_worker=0, and run the same command")
    if _NO_ENVIRONMENT.search(text):
        return _unstarted(error)
    return _unmet(error) if _NO_MEETING.search(text) else None


def _fault_of_ray(error: BaseException) -> IntelligenError | None:
    line = first_line(error)
    match error:
        case ray.exceptions.RayActorError() if error.preempted or _NODE_DIED.search(str(error)):
            return NodeLostError(f"its node was lost: {line}")
        case ray.exceptions.RayActorError() if _NEVER_RAN in str(error):
            return BusyError("Ray never started its process; run the same command")
        case (
            ray.exceptions.NodeDiedError()
            | ray.exceptions.LocalRayletDiedError()
            | ray.exceptions.ActorUnavailableError()
            | ray.train.PreemptionError()
        ):
            return NodeLostError(f"its node was lost: {line}")
        case ray.exceptions.OutOfDiskError():
            return StorageError(f"Ray's own disk is full: {line}; free space there, and run the same command")
        case ray.exceptions.RuntimeEnvSetupError() | ray.exceptions.AuthenticationError():
            return _unstarted(error)
        case ray.exceptions.RayTaskError() | ray.exceptions.RayActorError() | ray.exceptions.WorkerCrashedError():
            return None  # its code raised what cannot be pickled, or its process died
    return BusyError(f"Ray: {line}; run the same command")


def _unstarted(error: BaseException) -> UnavailableError:
    return UnavailableError(f"Ray cannot start a worker: {first_line(error)}; run the same command once it can")


def _unmet(error: BaseException) -> BusyError:
    what = f"its workers cannot reach each other: {first_line(error)}"
    return BusyError(f"{what}; check the network between the nodes (docs/cluster.md), and run the same command")
