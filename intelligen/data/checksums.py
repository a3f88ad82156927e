"""SHA-256 of data files: each is hashed once per process."""

from functools import lru_cache
from pathlib import Path

from intelligen.errors import StorageError
from intelligen.state import atomic_files


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal.

    Raises:
        StorageError: it cannot be read.

    """
    try:
        return atomic_files.sha256(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error


def sha256_once(path: Path) -> str:
    """As `sha256`; a file is read once per process, and again where its size or the time of its last change differs."""
    try:
        status = path.stat()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _sha256(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: Path, *_state: int) -> str:
    return sha256(path)
