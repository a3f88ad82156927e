"""Signals: the first one stops a launch in good order, a second one ends the process at once."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SAME_REQUEST_S = 1.0
"""`timeout` signals its child and then the child's group; wrappers repeat Ctrl-C. Both come twice and mean once."""
_TUNE = signal.SIGUSR1
"""Tune listens to it while it runs, and stops its trials in good order; Train listens to SIGINT."""
_OURS = signal.SIGUSR2
"""By which other threads interrupt the main one; it does not count as somebody's signal."""
INTERRUPTED_LINE = "interrupted: run the same command to resume"
AGAIN = "interrupted again: ended at once; run the same command to resume\n"
_SHOW_CURSOR = b"\x1b[?25h"

_current: "Interrupts | None" = None
"""One in a process, as there is one main thread."""


class Interrupts:
    """Obeys Ctrl-C, SIGTERM and a closed terminal (SIGHUP, unless `nohup` ignores it) from `__enter__` to `__exit__`.

    A thread hears each signal through the wakeup descriptor, even while the main thread waits inside a library.

    Args:
        ends_process: Whether a second signal ends the process at once; else it raises KeyboardInterrupt once more.

    """

    def __init__(self, *, ends_process: bool) -> None:
        self._ends_process = ends_process
        self.first: int | None = None  # as the handlers know it, which other handlers may keep it from
        self._first_s = 0.0
        self._first_signal: int | None = None  # as the thread knows it
        self._handlers: dict[int, Any] = {}
        self._terminals: list[int] = []
        self._pipe = (-1, -1)
        self._wakeup = -1

    @property
    def requested(self) -> bool:
        """Whether a signal was received."""
        return self._first_signal is not None

    @property
    def exit_code(self) -> int:
        """That of the first signal; that of Ctrl-C where something else interrupted the launch."""
        return EXIT_CODES[signal.Signals(self.first or self._first_signal or signal.SIGINT)]

    def __enter__(self) -> "Interrupts":
        global _current
        heeded = (*EXIT_CODES, _OURS)
        self._handlers = {number: signal.getsignal(number) for number in (*heeded, _TUNE)}
        self._terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()
        for number in EXIT_CODES:
            if number != signal.SIGHUP or self._handlers[number] is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        signal.signal(_OURS, lambda number, frame: self._interrupt(frame))
        _current = self
        return self

    def __exit__(self, *exception: object) -> None:
        global _current
        _current = None
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._pipe[1])  # which ends the thread

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._leave_terminal()
        now_s = time.monotonic()
        if self.first is None:
            self.first, self._first_s = number, now_s
            self._interrupt(frame)
        elif not self._ends_process and now_s - self._first_s > SAME_REQUEST_S:
            raise KeyboardInterrupt

    def _interrupt(self, frame: FrameType | None) -> None:
        for number in (_TUNE, signal.SIGINT):
            library = signal.getsignal(number)
            if callable(library) and library not in (self._handlers[number], self._on_signal):
                library(number, frame)
                return
        raise KeyboardInterrupt

    def _listen(self) -> None:
        first_s = 0.0
        while heard := os.read(self._pipe[0], 1):
            if (number := heard[0]) not in EXIT_CODES:
                continue
            if number == signal.SIGHUP:
                self._leave_terminal()  # here too: the main thread may be busy while others write
            if self._first_signal is None:
                self._first_signal, first_s = number, time.monotonic()
            elif self._ends_process and time.monotonic() - first_s > SAME_REQUEST_S:
                # What was done is on disk, and Ray's processes end with this one.
                end_process(EXIT_CODES[signal.Signals(number)], AGAIN)
        os.close(self._pipe[0])

    def _leave_terminal(self) -> None:
        """Writing to a terminal that is gone would fail."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._terminals:
            os.dup2(nothing, descriptor)
        os.close(nothing)


def end_process(code: int, last_line: str) -> None:
    """End this process from whatever thread, without waiting for anything."""
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR)
        os.write(2, last_line.encode())
    os._exit(code)


def interrupt_main_thread() -> None:
    """Have the main thread stop in good order, from another thread. A signal that comes later is the first."""
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGINT if _current is None else _OURS)


def interrupt_requested() -> bool:
    """Whether this launch is being ended by a signal."""
    return _current is not None and _current.requested


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Ray's start, Train and Tune leave handlers of their own behind, which would swallow a later signal.

    Raises:
        KeyboardInterrupt: One of theirs answered a signal by leaving the process.

    """
    heeded = (signal.SIGINT, signal.SIGTERM, _TUNE)
    is_main = threading.current_thread() is threading.main_thread()  # in no other do they set any, nor could we
    before = {number: signal.getsignal(number) for number in heeded} if is_main else {}
    try:
        yield
    except SystemExit as left:
        # Ray's handler leaves with the number of its signal.
        if _current is not None and isinstance(left.code, int) and left.code in EXIT_CODES:
            _current.first = _current.first or left.code
        raise KeyboardInterrupt from left
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


_apart = False


@contextmanager
def processes_apart() -> Iterator[None]:
    """Ray's processes that are started meanwhile get a session of their own, where the kernel ends them with ours.

    Then a signal for our whole process group (`timeout`, a closed terminal) leaves them to us, who need them to stop.
    """
    global _apart
    _apart = sys.platform == "linux"
    try:
        yield
    finally:
        _apart = False


def _part() -> None:
    if _apart:
        os.setsid()


# Of the processes that Ray starts: it has `subprocess` call Python in the child, which runs these hooks.
os.register_at_fork(after_in_child=_part)
