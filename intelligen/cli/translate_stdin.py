"""A model's answers to standard input, such as translations or labels: one line out for each line in."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from intelligen.config.schema.decoding import DecodingSearch
from intelligen.data.text_lines import decoded_lines, require_text
from intelligen.errors import DataError

if TYPE_CHECKING:
    from intelligen.training.trained_model import TrainedModel

_PLACE = "standard input"


def translate_standard_input(trained: "TrainedModel", search: DecodingSearch) -> None:
    """Print what the model says of every line; on a terminal, prompt for them. What was cut or replaced goes to stderr.

    Raises:
        DataError: a line is no text; those before it are answered.

    """
    from intelligen.training.translate import LINES_TOGETHER, translate

    if sys.stdin is None:
        raise DataError(f"{_PLACE} is closed; redirect it from a file: … < FILE")
    notes: Counter[str] = Counter()
    prompting = sys.stdin.isatty()
    lines = _typed_lines() if prompting else _piped_lines(notes)
    try:
        for chunk in _chunks(lines, 1 if prompting else LINES_TOGETHER):
            for translation in translate(trained, chunk, search=search, notes=notes):
                click.echo(translation)
            if prompting:
                _tell(notes, trained)
    finally:
        _tell(notes, trained)


def _piped_lines(notes: Counter[str]) -> Iterator[str]:
    # Bytes: how Python would decode them depends on the locale.
    return decoded_lines(sys.stdin.buffer, _PLACE, notes)


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


def _chunks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """So many lines at a time; where reading fails, the lines before come first."""
    chunk: list[str] = []
    try:
        for line in lines:
            chunk.append(line)
            if len(chunk) == size:
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
