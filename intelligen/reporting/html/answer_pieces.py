"""Sentences of an answer in pieces: words, names in code, and commands to copy."""

import re
from dataclasses import dataclass
from typing import Literal

from intelligen.analysis.suggested_command import around_commands

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class AnswerPiece:
    """A run of text of one kind."""

    text: str
    kind: Literal["words", "code", "command"]


def answer_pieces(sentence: str) -> list[AnswerPiece]:
    """The whole sentence; a full stop after a command is left out, so that nothing is copied with it."""
    pieces: list[AnswerPiece] = []
    for text, is_command in around_commands(sentence):
        if is_command:
            pieces.append(AnswerPiece(text, "command"))
            continue
        words = text.removeprefix(".").lstrip() if pieces else text
        for place, part in enumerate(_CODE.split(words)):
            if part:
                pieces.append(AnswerPiece(part, "code" if place % 2 else "words"))
    return pieces
