"""Cached file: read again only where it has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")
Stamp = tuple[int, int, int]


class CachedFile(Generic[Content]):
    """A file as `read` returns it, cached: else each look at a sweep would cost more with every trial in it."""

    def __init__(self, path: Path, read: Callable[[Path], Content]) -> None:
        self._path = path
        self._read = read
        self._known: tuple[Stamp | None, Content] | None = None

    def now(self) -> Content:
        """The file's content; the same object again while the file is the same."""
        stamp = self._stamp()
        if self._known is None or self._known[0] != stamp:
            # Of before the reading: what is written meanwhile counts as a change.
            self._known = stamp, self._read(self._path)
        return self._known[1]

    def _stamp(self) -> Stamp | None:
        """What changes whenever the file does; none where there is no file."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
