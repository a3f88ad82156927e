"""A model's answers to lines, such as translations or labels: one line out for each line in, as soon as it is known."""

import json
import os
import stat
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import UnsupportedOperation
from itertools import chain, islice
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, TextIO

import click

from intelligen.cli.written_files import STANDARD_OUTPUT
from intelligen.config.schema.decoding import DecodingSearch
from intelligen.data.text_lines import decoded_lines, read_lines, require_text
from intelligen.errors import ConfigError, DataError, writing
from intelligen.reporting.terminal.progress_bars import counting

if TYPE_CHECKING:
    from intelligen.training.trained_model import TrainedModel

_PLACE = "standard input"
_PAUSE_S = 0.5
"""Of a pipe without a new line, after which the lines that are there are answered."""
_READ_AHEAD = 256
"""Lines of a pipe that wait for their answers; a program that writes more waits too."""


@dataclass(frozen=True)
class Lines:
    """Where lines come from, and where answers go."""

    source: Path | None = None
    """None = standard input."""
    target: Path = STANDARD_OUTPUT
    as_json: bool = False
    """Whether an answer is a JSON document on a line of its own."""


def translate_lines(trained: "TrainedModel", search: DecodingSearch, lines: Lines) -> None:
    """Write what the model says of every line; on a terminal, prompt for them. What was cut or replaced goes to stderr.

    Raises:
        ConfigError: The target is the source, which opening it would empty.
        DataError: A line is no text; those before it are answered.
        StorageError: The source cannot be read.
        CannotCreateError: The target cannot be written.

    """
    from intelligen.training.translate import LINES_TOGETHER, translate

    if lines.source is None and sys.stdin is None:
        raise DataError(f"{_PLACE} is closed; redirect it from a file: … < FILE")
    notes: Counter[str] = Counter()
    prompting = lines.source is None and sys.stdin.isatty()
    done = 0
    source = _source(lines, notes, prompting)  # before the target is opened, which empties it
    with ExitStack() as opened:
        output = _opened(lines, opened)
        shown = output.isatty() or prompting
        heard = None if shown else opened.enter_context(counting())
        try:
            for chunk in _chunks(source, 1 if prompting else LINES_TOGETHER):
                for line, answer in zip(chunk, translate(trained, chunk, search=search, notes=notes), strict=True):
                    done += 1
                    document = {"format": 1, "line": done, "input": line, "output": answer}
                    click.echo(json.dumps(document, ensure_ascii=False) if lines.as_json else answer, file=output)
                output.flush()
                if heard is not None:
                    heard("answered", done)
                if prompting:
                    _tell(notes, trained)
        finally:
            _tell(notes, trained)


def _opened(lines: Lines, opened: ExitStack) -> TextIO:
    target = lines.target
    if target == STANDARD_OUTPUT:
        return sys.stdout
    source = lines.source or _standard_input()
    if target.is_file() and source is not None and os.path.samefile(source, target):
        raise ConfigError(f"--output {target}: this is the file that the lines are read from; name another file")
    with writing(target):
        return opened.enter_context(target.open("w", encoding="utf-8"))


def _source(lines: Lines, notes: Counter[str], prompting: bool) -> Iterable[str | None]:
    if prompting:
        return _typed_lines()
    if lines.source is not None:
        return _begun(read_lines(lines.source, notes))
    # Bytes: how Python would decode them depends on the locale.
    found = decoded_lines(sys.stdin.buffer, _PLACE, notes)
    descriptor = _standard_input()
    is_file = descriptor is None or stat.S_ISREG(os.fstat(descriptor).st_mode)
    return found if is_file else _with_pauses(found)


def _standard_input() -> int | None:
    """Its descriptor; None where the caller has put something else in its place."""
    try:
        return sys.stdin.fileno()
    except UnsupportedOperation:
        return None


def _begun(lines: Iterator[str]) -> Iterator[str]:
    """The same lines, after the first has been read: where a file cannot be, that fails here."""
    return chain(list(islice(lines, 1)), lines)


def _with_pauses(lines: Iterator[str]) -> Iterator[str | None]:
    """The lines of a pipe as they come, and None where it pauses."""
    queue: Queue[str | Exception | None] = Queue(_READ_AHEAD)

    def read() -> None:
        try:
            for line in lines:
                queue.put(line)
            queue.put(None)
        except Exception as error:  # raised where the lines are used
            queue.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            found = queue.get(timeout=_PAUSE_S)
        except Empty:
            yield None
            continue
        if isinstance(found, Exception):
            raise found
        if found is None:
            return
        yield found


def _typed_lines() -> Iterator[str]:
    click.echo("Type a line and press Enter; end with Ctrl-D.", err=True)
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        except UnicodeDecodeError as error:
            what = f"byte 0x{error.object[error.start]:02x} is not {error.encoding.upper()}"
            raise DataError(f"{_PLACE}: {what}; check the terminal's encoding") from None
        require_text(line, _PLACE)
        yield line


def _chunks(lines: Iterable[str | None], size: int) -> Iterator[list[str]]:
    """So many lines at a time, fewer where they pause; where reading fails, the lines before come first."""
    chunk: list[str] = []
    try:
        for line in lines:
            if line is not None:
                chunk.append(line)
            if chunk and (line is None or len(chunk) == size):
                yield chunk
                chunk = []
    except DataError:
        yield chunk
        raise
    yield chunk


def _tell(notes: Counter[str], trained: "TrainedModel") -> None:
    """Say what was done to the lines, and forget it."""
    longest = trained.prepared.manifest.data.max_tokens
    said = {
        "cut": f"cut to {longest} pieces (data.max_tokens); the rest was not read",
        "cut_start": "longer than half of model.max_positions; only so much of the end was read",
        "line_breaks": "with line breaks inside, such as U+2028, replaced by spaces",
    }
    for note, what in said.items():
        if count := notes.pop(note, 0):
            click.echo(f"{count:,} {'line' if count == 1 else 'lines'} {what}", err=True)
