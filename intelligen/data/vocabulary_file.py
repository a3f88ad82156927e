"""Vocabulary of a column of prepared data: one file, which says by what it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from intelligen.config.schema.data import Data, Tokenizer, prompted_column
from intelligen.data.sentencepiece_tokenizer import SentencePieceTokenizer


class Vocabulary(Protocol):
    """Text to token ids, those of `data/special_tokens.py` among them, and back."""

    @property
    def size(self) -> int:
        """Tokens, the special ones included."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in the order of their ids."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without BOS and EOS."""

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence up to its first EOS."""


@dataclass(frozen=True)
class Prompted:
    """A vocabulary whose texts are read with a prompt around them."""

    vocabulary: Vocabulary
    field: str
    """The column, in braces, as the prompt has it."""
    prompt: str

    @property
    def size(self) -> int:
        """Tokens, the special ones included."""
        return self.vocabulary.size

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in the order of their ids."""
        return self.vocabulary.pieces

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, with the prompt around it."""
        return self.vocabulary.encode([self.prompt.replace(self.field, text) for text in texts])

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence, the prompt included."""
        return self.vocabulary.decode(tokens)


def open_vocabulary(path: Path, data: Data, *, learnt_by: Tokenizer | None, column: str) -> Vocabulary:
    """Read a column's vocabulary.

    Args:
        path: Its file.
        data: Settings of the data.
        learnt_by: By which it was learnt; none = a pre-trained model brought it.
        column: The column's name.

    Raises:
        StorageError: It is missing or damaged.
        UnavailableError: It is a pre-trained model's, and what reads that is not installed.

    """
    if learnt_by is None:
        from intelligen.data.pretrained_tokenizer import open_packed

        vocabulary: Vocabulary = open_packed(path)
    else:
        vocabulary = SentencePieceTokenizer.load(path, settings=learnt_by, column=column)
    if data.prompt is None or prompted_column(data.prompt) != column:
        return vocabulary
    return Prompted(vocabulary, f"{{{column}}}", data.prompt)


def open_vocabularies(
    directory: Path, files: Mapping[str, str], data: Data, *, learnt_by: Tokenizer | None
) -> dict[str, Vocabulary]:
    """Column → its vocabulary, from column → its file."""
    return {
        column: open_vocabulary(directory / file, data, learnt_by=learnt_by, column=column)
        for column, file in files.items()
    }
