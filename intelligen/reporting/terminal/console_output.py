"""Standard output and error: prints any character; a closed pipe fails no launch."""

import codecs
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

LOG_WIDTH = 160  # columns of a table in a pipe, whose width is unknown
_ASCII = {"…": "~", "→": ">", "–": "-", "×": "x", "±": "~", "·": ".", "’": "'"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_utf8(stream: TextIO) -> bool:
    """Whether it takes every character."""
    return (getattr(stream, "encoding", None) or "").lower().startswith("utf")


def _spelt_in_ascii(error: UnicodeError) -> tuple[str, int]:
    """A character that a terminal does not have, as one that it has, or as its number: `\\u6c49`."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(c, c.encode("ascii", "backslashreplace").decode()) for c in text), error.end


codecs.register_error("intelligen.ascii", _spelt_in_ascii)


def print_any_character() -> None:
    """From now on standard output and error take all characters, in any terminal's encoding or without a terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It was closed before we began, as by `>&-`.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 # it lasts as long as we do
        elif isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="intelligen.ascii")


def nobody_reads() -> bool:
    """Whether standard output or error is a pipe whose reader has gone."""
    streams = select.poll()
    for descriptor in (1, 2):
        streams.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in streams.poll(0))


@contextmanager
def lasting_output() -> Iterator[None]:
    """Meanwhile output that cannot be written, or that has no reader, fails nothing: the sweep goes on."""
    print_any_character()
    with (
        redirect_stdout(cast(TextIO, _Lasting(sys.stdout))),
        redirect_stderr(cast(TextIO, _Lasting(sys.stderr))),
    ):
        yield


class _Lasting:
    """A stream that ends in nothing as soon as a write fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._drop_the_rest()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._drop_the_rest()

    def _drop_the_rest(self) -> None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)


def people_console(*, stderr: bool = False) -> "Console":
    """Where people read: wide enough in a pipe, and brackets, as of `runs [new]`, are text."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    return console


def printable(line: str) -> str:
    """A line whose control characters cannot reach the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
