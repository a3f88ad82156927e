"""Vocabulary of a pre-trained model in our order: PAD, UNK, BOS, EOS first, then all its other pieces in theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from intelligen.config.pretrained_directory import PretrainedDirectory
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.errors import DataError


@dataclass(frozen=True)
class VocabularyOrder:
    """Which row of a pre-trained model's tables each of our ids has.

    PAD gets a row of its own. BOS is what their decoder starts with; where that is EOS, or nothing, it is a copy of
    EOS' row, since what begins a text and what ends it must be two ids here. UNK is a row of its own where the model
    knows none.
    """

    rows: int
    """Of their tables."""
    unk: int | None
    start: int | None
    eos: int

    @cached_property
    def theirs(self) -> tuple[int | None, ...]:
        """Our id → their row; None = a row that they do not have."""
        special = (None, self.unk, self.start, self.eos)
        return (*special, *(row for row in range(self.rows) if row not in special))

    @cached_property
    def ours(self) -> dict[int, int]:
        """Their row → our id."""
        return {row: token for token, row in enumerate(self.theirs) if row is not None}

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, the special ones included."""
        return len(self.theirs)

    @property
    def added(self) -> tuple[int, ...]:
        """Our ids that they have no row for."""
        return tuple(token for token in (PAD, UNK, BOS, EOS) if self.theirs[token] is None)


def load_tokenizer(directory: Path, *, key: str = "model.path") -> Any:
    """The tokenizer in a directory, a `PreTrainedTokenizerBase`; no code of the directory is run.

    Raises:
        DataError: There is none, or it cannot be read.

    """
    from transformers import AutoTokenizer

    config = load_config(directory, key=key)
    with read_by_transformers(directory, "tokenizer", key=key):
        return AutoTokenizer.from_pretrained(directory, config=config, local_files_only=True, trust_remote_code=False)


def load_config(directory: Path, *, key: str = "model.path") -> Any:
    """The configuration in a directory, with the family's own where the file says nothing: a `PreTrainedConfig`.

    Raises:
        DataError: It cannot be read.

    """
    from transformers import AutoConfig

    with read_by_transformers(directory, "configuration", key=key):
        return AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)


@contextmanager
def read_by_transformers(directory: Path, what: str, *, key: str = "model.path") -> Iterator[None]:
    """Around a call that reads files of a model: damaged ones make it raise errors of every kind.

    Raises:
        DataError: The call has raised one.

    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise DataError(
            f"{key}: {directory}: its {what} cannot be read ({type(error).__name__}: {why}); restore its files"
        ) from error


def vocabulary_order(found: PretrainedDirectory, tokenizer: Any) -> VocabularyOrder:
    """How the ids of a model's vocabulary become ours.

    Args:
        found: The model's directory.
        tokenizer: Its tokenizer.

    Raises:
        DataError: The configuration is damaged; the tokenizer has more pieces than the model has rows, or no token
            that ends a text.

    """
    rows, eos = load_config(found.path).vocab_size, tokenizer.eos_token_id
    pieces = max(tokenizer.get_vocab().values(), default=-1) + 1
    if pieces > rows:
        raise DataError(
            f"model.path: {found.path}: its tokenizer has {pieces:,} pieces, and its embedding {rows:,} rows; they are"
            " of two models: restore its files"
        )
    if eos is None:
        raise DataError(f"model.path: {found.path}: its tokenizer has no token that ends a text (eos_token)")
    known = "decoder_start_token_id" if found.kind == "encoder_decoder" else "bos_token_id"
    start, unk = found.config.get(known), tokenizer.unk_token_id
    if start is not None and not (isinstance(start, int) and 0 <= start < rows):
        raise DataError(
            f"model.path: {found.path}: its {known} is {start}, and its embedding has {rows:,} rows; restore its files"
        )
    return VocabularyOrder(
        rows=rows,
        unk=None if unk in (eos, start) else unk,
        start=None if start == eos else start,
        eos=int(eos),
    )
