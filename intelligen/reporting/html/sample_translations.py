"""Sample translations beside their references, word by word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from intelligen.analysis.decoded import Setting
from intelligen.analysis.study import StudyResults

SAMPLES = 6
_WORDS = re.compile(r"\w+|[^\w\s]", re.UNICODE)


@dataclass(frozen=True)
class Piece:
    """A run of words of a hypothesis, or of the reference where the hypothesis lacks them."""

    text: str
    kind: Literal["same", "other", "missing"]
    space: bool
    """Whether a space follows: the hypothesis' own, or around what it lacks."""


@dataclass(frozen=True)
class SystemTranslation:
    """One system's hypothesis for one sentence."""

    system: str
    trial: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class TranslatedSample:
    """One sentence of the test set."""

    number: int
    """From 1."""
    source: str
    reference: str
    translations: tuple[SystemTranslation, ...]


def sample_rows(sentences: int, samples: int = SAMPLES) -> list[int]:
    """The middle of each of `samples` equal parts of a test set: they are not chosen by their content."""
    parts = min(samples, sentences)
    return [(2 * part + 1) * sentences // (2 * parts) for part in range(parts)]


def samples(study: StudyResults, setting: Setting) -> list[TranslatedSample]:
    """Some sentences as the systems' models of their first seed translate them."""
    test_set = study.test_sets[setting[0]]
    shown = [(study.label(system.name), member) for system in study.systems for member in system.members[:1]]
    return [
        TranslatedSample(
            row + 1,
            test_set.sources[row],
            test_set.references[row],
            tuple(
                SystemTranslation(
                    name,
                    member.record.id,
                    word_differences(member.decoded[setting].hypotheses[row], test_set.references[row]),
                )
                for name, member in shown
                if setting in member.decoded
            ),
        )
        for row in sample_rows(len(test_set.references))
    ]


def word_differences(hypothesis: str, reference: str) -> tuple[Piece, ...]:
    """The hypothesis cut where its words agree with the reference's, by the longest common runs (difflib)."""
    ours, theirs = _spans(hypothesis), _spans(reference)
    matcher = SequenceMatcher(
        a=[hypothesis[start:end] for start, end in ours],
        b=[reference[start:end] for start, end in theirs],
        autojunk=False,
    )
    pieces: list[Piece] = []
    for what, a_start, a_end, b_start, b_end in matcher.get_opcodes():
        lacking = what != "equal" and b_end > b_start
        if a_end > a_start:
            text = _cut(hypothesis, ours, a_start, a_end)
            space = lacking or (a_end < len(ours) and ours[a_end][0] > ours[a_end - 1][1])
            pieces.append(Piece(text, "same" if what == "equal" else "other", space))
        if lacking:
            if pieces:
                pieces[-1] = replace(pieces[-1], space=True)
            pieces.append(Piece(_cut(reference, theirs, b_start, b_end), "missing", space=True))
    return tuple(pieces)


def _spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in _WORDS.finditer(text)]


def _cut(text: str, spans: Sequence[tuple[int, int]], start: int, end: int) -> str:
    """The words from `start` to before `end`, with what is between them."""
    return text[spans[start][0] : spans[end - 1][1]]
