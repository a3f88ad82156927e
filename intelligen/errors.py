"""Errors that a user can cause: one line (what, where, why, the fix) and one documented exit code each."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_PROBLEMS = 100


class IntelligenError(Exception):
    """Base of the errors that a user can cause; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(IntelligenError):
    """An experiment or sweep file, an override or an option is wrong; each argument is the line of one problem."""

    exit_code = 2

    def __str__(self) -> str:
        lines = [str(line) for line in self.args[:MOST_PROBLEMS]]
        more = len(self.args) - len(lines)
        return "\n".join([*lines, f"… and {more} more"] if more else lines)


class TrialsFailedError(IntelligenError):
    """The sweep went on to its end, but some trials failed."""

    exit_code = 3


class DataError(IntelligenError):
    """The data are not what they claim to be: encoding, line counts, emptiness, damage."""

    exit_code = 65


class UnavailableError(IntelligenError):
    """A resource or a service is missing: processors, accelerators, memory, the tracking server, the hub."""

    exit_code = 69


class CannotCreateError(IntelligenError):
    """A directory or file that must be written cannot be created."""

    exit_code = 73


class StorageError(IntelligenError):
    """Reading or writing failed: disk full, input/output error, damaged state."""

    exit_code = 74


class BusyError(IntelligenError):
    """Somebody else holds it; retry later."""

    exit_code = 75


class ClusterLostError(IntelligenError):
    """The Ray cluster died under a sweep; the same command resumes it."""

    exit_code = 75


class NodeLostError(IntelligenError):
    """A node of the cluster died, was preempted or cannot be reached; what ran there can run on another."""

    exit_code = 75


class MemoryShortageError(IntelligenError):
    """The memory of the host or of the GPU did not suffice for what ran there."""

    exit_code = 69


class ShrunkError(IntelligenError):
    """A trial's memory did not suffice for an update; its memory.json says in which smaller parts it is to go on.

    The launcher starts its processes again, and counts no attempt.
    """

    exit_code = 69


class CrashedError(IntelligenError):
    """An error of a trial that is none of the others: its type and its first line."""

    exit_code = 3


class ChangedError(IntelligenError):
    """The sweep file, the data or the search space changed since the sweep started."""

    exit_code = 78


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
# Where the path itself is the trouble, what to do about it.
_IN_THE_WAY = {
    errno.ENOTDIR: "a file is where a directory must be: move it",
    errno.EEXIST: "a file is where a directory must be: move it",
    errno.EISDIR: "a directory is where the file must be: move it",
    errno.ENAMETOOLONG: "choose a place with a shorter path",
}


@contextmanager
def writing(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Name what cannot be written, and where there is no room how much is missing.

    Args:
        path: Of the file or directory.
        needed: Its size in bytes, where that is known.

    Raises:
        CannotCreateError: In place of an OSError: it may not be written.
        StorageError: In place of any other.

    """
    try:
        yield
    except OSError as error:
        raise unwritten(path, error, needed=needed) from error


def unwritten(path: Path, error: OSError, *, needed: int | None = None) -> IntelligenError:
    """The line of a file that could not be written: what, why, bytes needed and free, the fix.

    Args:
        path: Of the file or directory.
        error: What the system said.
        needed: Its size in bytes, where that is known.

    """
    what = f"{path}: cannot be written: {error.strerror or error}"
    if error.errno in _NOT_ALLOWED:
        return CannotCreateError(f"{what}; make its place writable and run the same command")
    if error.errno in _IN_THE_WAY:
        return CannotCreateError(f"{what}; {_IN_THE_WAY[error.errno]}, and run the same command")
    if error.errno == errno.ENOENT:
        gone = next((folder for folder in reversed(path.parents) if not folder.exists()), path.parent)
        return StorageError(f"{what}: the directory {gone} is gone; restore it and run the same command")
    if error.errno not in _NO_ROOM:
        return StorageError(f"{what}; check its disk and run the same command")
    wants = "" if needed is None else f"it needs {needed:,} bytes, "
    return StorageError(f"{what}; {wants}{free_bytes(path):,} are free; make room and run the same command")


def free_bytes(path: Path) -> int:
    """What is free on the disk of a path, whether the path exists or not."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(there).free
