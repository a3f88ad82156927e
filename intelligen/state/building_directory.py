"""Directories that are there whole or not at all: built under a hidden name beside their own, then renamed."""

import contextlib
import errno
import shutil
import time
from pathlib import Path
from uuid import uuid4

from intelligen.errors import CannotCreateError, writing
from intelligen.state.atomic_files import fsync

_ABANDONED_AFTER_S = 24 * 3600


def make_building(directory: Path) -> Path:
    """A new directory beside the final one; what killed processes left there a day ago or earlier is removed.

    Raises:
        CannotCreateError: The folder of both cannot be written.
        StorageError: The disk is full or fails.

    """
    building = directory.with_name(f".{directory.name}.{uuid4().hex[:8]}")
    with writing(directory.parent):
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # with its parents: some file systems, such as /proc, take no directory
            raise CannotCreateError(f"{directory.parent}: cannot be created; choose another directory") from error
        building.mkdir()
    for sibling in directory.parent.glob(".*.*"):
        # Its owner may finish, and rename it, while we look.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            newest = max(path.stat().st_mtime for path in (sibling, *sibling.iterdir()))
            if time.time() - newest > _ABANDONED_AFTER_S:
                shutil.rmtree(sibling)
    return building


def publish(building: Path, directory: Path) -> None:
    """Make every byte durable, then give the directory its name; another process may have been faster.

    Raises:
        OSError: The system refused.

    """
    for path in (*building.iterdir(), building):
        fsync(path)
    try:
        building.rename(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return  # the same name means the same content
    fsync(directory.parent)
