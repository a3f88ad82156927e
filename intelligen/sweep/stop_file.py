"""Stop file: ends a running sweep from any host; its launcher looks for it every second."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from intelligen.errors import StorageError
from intelligen.sweep.signals import interrupt_main_thread

STOP_FILE = "stop"
_POLL_S = 1.0


@contextmanager
def interrupted_by_stop_file(directory: Path) -> Iterator[None]:
    """Interrupt the main thread, as Ctrl-C does, once this sweep is asked to stop. Needs the sweep's lock."""
    request = directory / STOP_FILE
    over = threading.Event()

    def look() -> None:
        while not over.wait(_POLL_S):
            if request.exists():
                interrupt_main_thread()
                return

    looking = threading.Thread(target=look, name="stop-file", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
        request.unlink(missing_ok=True)


def clear_stop_requests(directory: Path) -> None:
    """Ignore requests to an earlier launch; call it as soon as the sweep's lock is held."""
    (directory / STOP_FILE).unlink(missing_ok=True)


def request_stop(directory: Path) -> None:
    """Ask the launcher to stop, by a file.

    Raises:
        StorageError: The sweep's directory cannot be written.

    """
    request = directory / STOP_FILE
    try:
        request.touch()
    except OSError as error:
        raise StorageError(f"{request}: cannot ask the sweep to stop: {error.strerror}") from error


def wait_until_stopped(is_running: Callable[[], bool], *, timeout_s: float) -> bool:
    """Wait until the sweep no longer runs; returns False where it still does at the timeout."""
    deadline = time.monotonic() + timeout_s
    while is_running():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.2)
    return True
