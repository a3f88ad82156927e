"""SentencePiece gives text back, learns the same from the same, and fails in our words."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligen.config.schema.data import Tokenizer as TokenizerSettings
from intelligen.data.sentencepiece_tokenizer import SentencePieceTokenizer, train_tokenizer
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.errors import DataError, StorageError

ALPHABET = "abcdefghij ÄöÜß.½é\t\u00a0"


def sentences(count: int = 400) -> list[str]:
    rng = random.Random(1)
    words = ["".join(rng.choices(ALPHABET.replace(" ", ""), k=rng.randint(1, 6))) for _ in range(80)]
    return [" ".join(rng.choices(words, k=8)) for _ in range(count)]


SETTINGS = TokenizerSettings(vocabulary=100)
MODEL = train_tokenizer(sentences(), SETTINGS)
TOKENIZER = SentencePieceTokenizer(MODEL)


def test_the_special_tokens_have_their_ids() -> None:
    assert TOKENIZER.size == 100 == len(TOKENIZER.pieces)
    assert [TOKENIZER.pieces[token] for token in (PAD, UNK, BOS, EOS)] == ["<pad>", "<unk>", "<s>", "</s>"]


@given(st.lists(st.text(ALPHABET), max_size=5))
def test_decoding_gives_the_text_back_with_every_space(texts: list[str]) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(texts)) == texts


def test_many_texts_encode_like_few() -> None:
    texts = sentences(1200)
    assert TOKENIZER.encode(texts) == [TOKENIZER.encode([text])[0] for text in texts]


def test_decoding_ends_at_the_first_end_and_passes_over_padding() -> None:
    tokens = TOKENIZER.encode(["abc def"])[0]
    assert TOKENIZER.decode([[BOS, PAD, *tokens, EOS, PAD, *tokens], [EOS, *tokens], []]) == ["abc def", "", ""]


def test_text_that_looks_like_a_special_token_is_text() -> None:
    assert not {PAD, BOS, EOS} & set(TOKENIZER.encode(["</s> <pad> <s>"])[0])


def test_unknown_characters_are_unknown_and_visible() -> None:
    assert UNK in TOKENIZER.encode(["a漢b"])[0]
    assert "⁇" in TOKENIZER.decode(TOKENIZER.encode(["a漢b"]))[0]


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_the_same_lines_give_the_same_model(model: str) -> None:
    settings = TokenizerSettings(model=model, vocabulary=60)
    digests = {hashlib.sha256(train_tokenizer(sentences(), settings)).hexdigest() for _ in range(2)}
    assert len(digests) == 1


def test_nothing_is_written_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    train_tokenizer(sentences(), SETTINGS)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_a_vocabulary_that_the_text_cannot_fill_names_the_limit_that_works(model: str) -> None:
    with pytest.raises(DataError, match=r"^data\.tokenizer\.vocabulary is 9000, but .* at most \d+ pieces") as caught:
        train_tokenizer(sentences(), TokenizerSettings(model=model, vocabulary=9000))
    limit = int(str(caught.value).rpartition("=")[2])
    assert (
        SentencePieceTokenizer(train_tokenizer(sentences(), TokenizerSettings(model=model, vocabulary=limit))).size
        == limit
    )


def test_a_vocabulary_below_the_characters_names_their_number() -> None:
    with pytest.raises(DataError, match=r"vocabulary is 9, but .* characters alone need (\d+): raise it") as caught:
        train_tokenizer(sentences(), TokenizerSettings(vocabulary=9))
    needed = int(str(caught.value).partition("need ")[2].partition(":")[0])
    train_tokenizer(sentences(), TokenizerSettings(vocabulary=needed))


def test_an_error_in_the_lines_stays_itself() -> None:
    def lines() -> Iterator[str]:
        yield "fine"
        raise DataError("a.de:2: broken")

    with pytest.raises(DataError, match=r"^a\.de:2: broken$"):
        train_tokenizer(lines(), SETTINGS)


def test_a_damaged_model_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(MODEL[: len(MODEL) // 2])
    for path in (tmp_path / "x.model", tmp_path / "none.model"):
        with pytest.raises(StorageError, match=r"\.model: not a readable SentencePiece model"):
            SentencePieceTokenizer.load(path, settings=SETTINGS, column="source")
