"""Directories that Ray needs on this machine: a home for its token, a short temporary one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intelligen.errors import UnavailableError

SHORT = "/tmp"  # noqa: S108 # Ray makes a directory of its own there, for each start
# What Ray puts behind the name: `/ray/session_2026-11-29_06-31-22_123456_1234567/sockets/plasma_store`.
_SOCKET = 70
_LONGEST_ADDRESS = 103 if sys.platform == "darwin" else 107


def require_home() -> None:
    """Make sure of the directory in which Ray keeps its token; it cannot even be imported without a home.

    Raises:
        UnavailableError: There is no home directory, or it cannot be written.

    """
    fix = "set HOME to a directory of yours, such as HOME=/tmp/me"
    try:
        (Path.home() / ".ray").mkdir(parents=True, exist_ok=True)
    except RuntimeError as error:
        raise UnavailableError(
            f"HOME is not set, and this user has no home directory, which Ray needs: {fix}"
        ) from error
    except OSError as error:
        what = f"HOME: Ray keeps its token in {error.filename}, which cannot be created ({error.strerror})"
        raise UnavailableError(f"{what}: {fix}") from error


def ray_folder() -> Path:
    """The folder in which Ray keeps its sessions on this machine."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or SHORT) / "ray"


def require_ray_folder() -> None:
    """Make sure that Ray can keep a session there: another user may have made the folder.

    Raises:
        UnavailableError: It cannot.

    """
    folder = ray_folder()
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        raise UnavailableError(
            f"{folder}: Ray keeps its sessions there, but it belongs to another user: set RAY_TMPDIR to a directory of"
            " yours, such as RAY_TMPDIR=/tmp/me"
        )


@contextmanager
def short_temporary_directory() -> Iterator[None]:
    """Meanwhile, a Ray that is started keeps its sockets under paths that are short enough for the system."""
    names = [name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ]
    too_long = {name: os.environ[name] for name in names if len(os.environ[name]) + _SOCKET > _LONGEST_ADDRESS}
    os.environ.update(dict.fromkeys(too_long, SHORT))
    try:
        yield
    finally:
        os.environ.update(too_long)
