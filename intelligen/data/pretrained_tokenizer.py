"""Tokenizer of a pre-trained model, packed into one file of prepared data, with our ids."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from intelligen.config.pretrained_directory import PretrainedDirectory, files_of, holds_weights, require_extra, shape_in
from intelligen.data.pretrained_vocabulary import VocabularyOrder, load_tokenizer, vocabulary_order
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.errors import StorageError

_ROLE = "role.json"


def pack(found: PretrainedDirectory, file: Path, *, written: bool) -> None:
    """Write what a column's tokens are made by: the tokenizer's files and the configuration, and no weights.

    Args:
        found: The model's directory.
        file: Where it goes; the same files give the same bytes.
        written: Whether models write the column.

    Raises:
        DataError: The tokenizer cannot be read, or does not fit the model.

    """
    vocabulary_order(found, load_tokenizer(found.path))
    role = {"written": written, "bare": written and found.kind == "causal"}
    with ZipFile(file, "w") as archive:
        archive.writestr(ZipInfo(_ROLE), json.dumps(role))
        for one in files_of(found.path):
            if not holds_weights(one.name):
                archive.writestr(ZipInfo(one.name), one.read_bytes())


def open_packed(file: Path) -> "PretrainedTokenizer":
    """What `pack` wrote.

    Raises:
        StorageError: It is missing or damaged.
        UnavailableError: The extra is not installed.

    """
    with unpacked(file) as (found, role):
        tokenizer = load_tokenizer(found.path)
        return PretrainedTokenizer(tokenizer, vocabulary_order(found, tokenizer), **role)


@contextmanager
def unpacked(file: Path) -> Iterator[tuple[PretrainedDirectory, dict[str, bool]]]:
    """A directory, for a while, of the model's files that `pack` wrote, without its weights; and the column's role.

    Raises:
        StorageError: It is missing or damaged.
        UnavailableError: The extra is not installed.

    """
    require_extra()
    with TemporaryDirectory() as folder:
        try:
            with ZipFile(file) as archive:
                archive.extractall(folder)
            role = json.loads((Path(folder) / _ROLE).read_text(encoding="utf-8"))
            (Path(folder) / _ROLE).unlink()
            found = shape_in(Path(folder))
        except (OSError, ValueError, BadZipFile) as error:
            raise StorageError(f"{file}: no readable vocabulary of a pre-trained model ({error})") from error
        yield found, role


class PretrainedTokenizer:
    """Text to token ids and back, by the tokenizer of a pre-trained model. The ids are ours.

    What the tokenizer puts before a text (BART's `<s>`, a language's code) is part of its tokens; what it puts behind
    it is not, since EOS ends every row. Behind a prompt of a causal model nothing is put in front of the answer.
    The name of a special token is that token in what models read, as a prompt may need it (`<|im_end|>`), and plain
    text in what they write: no row of a target may end or begin in its midst.

    Args:
        tokenizer: A `PreTrainedTokenizerBase`.
        order: Of its ids.
        written: Whether models write the column, so that its tokens are a target's.
        bare: Leave out what it puts before a text, too.

    """

    def __init__(self, tokenizer: Any, order: VocabularyOrder, *, written: bool, bare: bool) -> None:
        self._tokenizer, self._order = tokenizer, order
        self._written, self._bare = written, bare
        # Some tokenizers (Marian's) change their state while they read.
        self._alone = Lock()

    @property
    def size(self) -> int:
        """Tokens, the special ones included."""
        return self._order.size

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in the order of our ids."""
        specials = {PAD: "<pad>", UNK: "<unk>", BOS: "<s>", EOS: "</s>"}
        names: Sequence[str | None] = self._tokenizer.convert_ids_to_tokens(
            [min(row or 0, len(self._tokenizer) - 1) for row in self._order.theirs]
        )
        return tuple(specials.get(token, name or "") for token, name in enumerate(names))

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without BOS and EOS."""
        if not texts:
            return []
        rows = self._their_ids(texts)
        end = -self._behind or None
        # BOS is never written, wherever their tokenizer puts it.
        left_out = BOS if self._written else None
        ours = ([self._order.ours.get(row, UNK) for row in ids[:end]] for ids in rows)
        return [[token for token in row if token != left_out] for row in ours]

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence up to its first EOS; special tokens are passed over."""
        rows = []
        for row in tokens:
            own = row[: row.index(EOS)] if EOS in row else row
            known = (self._order.theirs[token] for token in own if token not in (PAD, BOS))
            rows.append([token for token in known if token is not None and token < len(self._tokenizer)])
        texts: list[str] = self._tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [" ".join(text.split()) if "\n" in text else text.strip() for text in texts]

    def _their_ids(self, texts: list[str]) -> list[list[int]]:
        side = {"text_target": texts} if self._written else {"text": texts}
        settings = {"add_special_tokens": not self._bare, "split_special_tokens": self._written, "verbose": False}
        with self._alone:
            rows: list[list[int]] = self._tokenizer(**side, **settings)["input_ids"]
        return rows

    @cached_property
    def _behind(self) -> int:
        """How many tokens are put behind a text: its EOS, and what follows."""
        (ids,) = self._their_ids([""])
        return len(ids) - ids.index(self._order.eos) if self._order.eos in ids else 0
