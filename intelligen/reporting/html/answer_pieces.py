"""Texts of the page in pieces: words, names in code, and commands to copy."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from intelligen.analysis.next_step import Step

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class TextPiece:
    """A run of text of one kind."""

    text: str
    kind: Literal["words", "code", "command"]


def text_pieces(text: str, steps: Iterable[Step] = ()) -> Iterator[TextPiece]:
    """The whole text; a full stop after a command is left out, so that nothing is copied with it.

    Args:
        text: In which names of code are in backticks.
        steps: Whose commands are looked for.

    """
    command = next((step.command for step in steps if step.command and step.command in text), None)
    if command is None:
        pieces = enumerate(_CODE.split(text))
        yield from (TextPiece(part, "code" if place % 2 else "words") for place, part in pieces if part)
        return
    before, _, after = text.partition(command)
    yield from text_pieces(before, steps)
    yield TextPiece(command, "command")
    yield from text_pieces(after.removeprefix(".").lstrip(), steps)


def steps_apart(sentences: Iterable[str], steps: Iterable[Step]) -> list[Step]:
    """The steps whose command is in no sentence."""
    said = "\n".join(sentences)
    return [step for step in steps if step.command and step.command not in said]
