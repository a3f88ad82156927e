"""Durable files: written whole or not at all, and safe against a loss of power; their SHA-256."""

import hashlib
import os
from io import BufferedWriter
from pathlib import Path

from intelligen.errors import writing


def fsync(path: Path) -> None:
    """Make a file's content, or a directory's entries, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(file: BufferedWriter, content: bytes) -> None:
    """Write to an open file, and return once it survives a loss of power."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def replace_file(path: Path, content: bytes, *, writer: str = "") -> None:
    """Write a whole file durably, or leave the old one; the system's own errors are raised.

    Processes that may write the same file at the same time have different names as its writer.
    """
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    with temporary.open("wb") as file:
        write_synced(file, content)
    temporary.replace(path)


def write_atomically(path: Path, text: str, *, writer: str = "") -> None:
    """Write a whole file durably, or leave the old one; `writer` as in `replace_file`.

    Raises:
        CannotCreateError: It may not be written.
        StorageError: The disk is full or fails.

    """
    content = text.encode()
    with writing(path, needed=len(content)):
        replace_file(path, content, writer=writer)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; the system's own errors are raised."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
