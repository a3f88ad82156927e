"""Peak memory of a trial's process, kept in its directory so that the reason of a kill can name it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from intelligen.state.process_memory import peak_bytes, total_bytes

PEAK_FILE = "peak.json"
EVERY_S = 0.5
_GROWTH = 1.05
"""The file is written again once the peak has grown by so much."""
_GIB = 2**30


@dataclass(frozen=True)
class MemoryPeak:
    """The most that a process has taken, and what there was."""

    peak_bytes: int
    """As it was last looked at: a process that is killed has taken at least so much."""
    total_bytes: int
    """Of its host, or of the control group that it was in."""

    def __str__(self) -> str:
        return f"{self.peak_bytes / _GIB:.1f} GiB or more of {self.total_bytes / _GIB:.1f} GiB"


@contextmanager
def keeping_peak(directory: Path) -> Iterator[None]:
    """Meanwhile this process' peak lies in a trial's directory; it stays there where the process is killed."""
    path, over = directory / PEAK_FILE, threading.Event()
    total, known = total_bytes(), 0

    def look() -> None:
        nonlocal known
        if (peak := peak_bytes()) > _GROWTH * known:
            known = peak
            temporary = path.with_name(f".{path.name}.tmp")
            with suppress(OSError):  # a full disk fails what must be written
                temporary.write_text(json.dumps(asdict(MemoryPeak(peak, total))), encoding="ascii")
                temporary.replace(path)

    def watch() -> None:
        while not over.wait(EVERY_S):
            look()

    look()
    watching = threading.Thread(target=watch, name="memory peak", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
        path.unlink(missing_ok=True)


def read_peak(directory: Path) -> MemoryPeak | None:
    """The peak of the process that works on a trial, or of the one that was killed; none where none is there whole."""
    with suppress(OSError, KeyError, TypeError, ValueError):  # it is not synced, and nothing but words depends on it
        fields = json.loads((directory / PEAK_FILE).read_text(encoding="ascii"))
        return MemoryPeak(int(fields["peak_bytes"]), int(fields["total_bytes"]))
    return None
