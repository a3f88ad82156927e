"""SentencePiece tokenizer (Kudo & Richardson 2018): learns its pieces from training text only."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sentencepiece

from intelligen.config.schema.data import Tokenizer as TokenizerSettings
from intelligen.data.moses_tokenizer import MosesTokenizer
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.errors import DataError, StorageError

# Both are part of the result: unigram training sums in an order that depends on the number of threads, so it cannot
# be the machine's number of cores.
_TRAINING_THREADS = 16
_TRAINING_SENTENCES = 2_000_000
# Longer lines teach nothing more; SentencePiece's own bound of 4,192 bytes would leave out whole paragraphs.
_TRAINING_LINE_BYTES = 1 << 18

_SETTING = "data.tokenizer.vocabulary"
_TOO_LARGE = re.compile(r"Vocabulary size too high \((\d+)\).*value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. (\d+) vs (\d+)")


class SentencePieceTokenizer:
    """Text to token ids and back. The special tokens have the ids of `data/special_tokens.py`.

    Encoding changes nothing in the text (no normalisation), so decoding gives it back, save characters that have no
    piece: they become UNK. With Moses' rules, encoding tokenises first, and decoding ends with joining.
    """

    def __init__(self, model: bytes, moses: MosesTokenizer | None = None) -> None:
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._moses = moses

    @classmethod
    def load(cls, path: Path, *, settings: TokenizerSettings, column: str) -> "SentencePieceTokenizer":
        """Read a model file for a column.

        Raises:
            StorageError: it is missing or damaged.

        """
        try:
            return cls(path.read_bytes(), moses_of(settings, column))
        except (OSError, RuntimeError) as error:
            raise StorageError(f"{path}: not a readable SentencePiece model ({error})") from error

    @property
    def size(self) -> int:
        """Pieces, the four special ones included."""
        return int(self._processor.get_piece_size())

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in the order of their ids; `▁` stands for a space."""
        return tuple(self._processor.id_to_piece(index) for index in range(self.size))

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without BOS and EOS; SentencePiece lets other threads run meanwhile."""
        if self._moses is not None:
            texts = [self._moses.tokenize(text) for text in texts]
        encoded: list[list[int]] = self._processor.encode(texts, num_threads=1)
        return encoded

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence up to its first EOS; PAD and BOS are passed over, UNK shows as ` ⁇ `."""
        # Row by row: for several at once SentencePiece starts threads, and aborts the process where one cannot be had.
        decoded = [str(self._processor.decode(_pieces_only(row))) for row in tokens]
        return decoded if self._moses is None else [self._moses.detokenize(text) for text in decoded]


def moses_of(settings: TokenizerSettings, column: str) -> MosesTokenizer | None:
    """Moses' rules for a column, where the settings want them."""
    language = None if settings.moses is None else settings.moses.language(column)
    return None if language is None else MosesTokenizer(language)


def _pieces_only(tokens: Sequence[int]) -> list[int]:
    end = tokens.index(EOS) if EOS in tokens else len(tokens)
    return [token for token in tokens[:end] if token not in (PAD, BOS)]


def train_tokenizer(lines: Iterable[str], settings: TokenizerSettings) -> bytes:
    """Learn a vocabulary: the same lines and settings give the same model, whatever the machine.

    Args:
        lines: Training text; at most two million lines, drawn at random with a fixed seed, are held in memory.
        settings: Kind and size of the vocabulary.

    Returns:
        The bytes of a SentencePiece model.

    Raises:
        DataError: the lines do not support so large a vocabulary, or have more characters than it has room for.

    """
    feed = _Feed(lines)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(feed),
            model_writer=model,
            model_type=settings.model,
            vocab_size=settings.vocabulary,
            character_coverage=settings.character_coverage,
            input_sentence_size=_TRAINING_SENTENCES,
            shuffle_input_sentence=True,
            max_sentence_length=_TRAINING_LINE_BYTES,
            num_threads=_TRAINING_THREADS,
            # The text is the user's: nothing is normalised, and spaces survive a round trip.
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if feed.error is not None:
            raise feed.error from None
        raise _in_our_words(str(error), settings) from error
    return model.getvalue()


class _Feed:
    """Keeps the lines' own exception, which SentencePiece would replace by its own RuntimeError."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._lines
        except (Exception, KeyboardInterrupt) as error:
            self.error = error
            raise


def _in_our_words(message: str, settings: TokenizerSettings) -> DataError:
    if found := _TOO_LARGE.search(message):
        asked, limit = (int(number) for number in found.groups())
        return DataError(
            f"{_SETTING} is {asked}, but the training split allows at most {limit} pieces: -o {_SETTING}={limit}"
        )
    if found := _TOO_SMALL.search(message):
        asked, needed = (int(number) for number in found.groups())
        return DataError(
            f"{_SETTING} is {asked}, but the training split's characters alone need {needed}: raise it, or lower"
            " data.tokenizer.character_coverage"
        )
    return DataError(f"SentencePiece cannot learn {settings.vocabulary} {settings.model} pieces: {message}")
