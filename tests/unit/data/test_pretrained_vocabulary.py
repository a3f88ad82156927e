"""Text in the vocabulary of a pre-trained model: our special tokens, its own pieces, and the prompt around a source."""

from pathlib import Path

import pytest
from pretrained_models import SENTENCES, make_pretrained

from intelligen.config.pretrained_directory import open_directory
from intelligen.data.data_manifest import ColumnReport, SplitReport
from intelligen.data.pretrained_tokenizer import open_packed, pack
from intelligen.data.pretrained_vocabulary import load_tokenizer, vocabulary_order
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.data.vocabularies import require_known_text
from intelligen.data.vocabulary_file import Prompted
from intelligen.errors import DataError, StorageError

FAMILIES = ("t5", "bart", "marian", "gpt2", "llama")


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pretrained")
    return {name: make_pretrained(name, root / name) for name in FAMILIES}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("written", [False, True], ids=["read", "written"])
def test_text_comes_back_and_special_tokens_are_ours(
    name: str, written: bool, directories: dict[str, Path], tmp_path: Path
) -> None:
    pack(open_directory(str(directories[name])), tmp_path / "packed", written=written)
    vocabulary = open_packed(tmp_path / "packed")
    rows = vocabulary.encode(SENTENCES[:5])
    assert not {PAD, UNK, EOS} & {token for row in rows for token in row}
    assert max(token for row in rows for token in row) < vocabulary.size == len(vocabulary.pieces)
    assert vocabulary.decode([[BOS, *row, EOS, 7] for row in rows]) == SENTENCES[:5]
    assert vocabulary.decode([]) == []


def test_the_same_tokenizer_gives_the_same_bytes(directories: dict[str, Path], tmp_path: Path) -> None:
    for name in ("first", "second"):
        pack(open_directory(str(directories["t5"])), tmp_path / name, written=True)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(b"no archive")
    with pytest.raises(StorageError, match="packed: no readable vocabulary of a pre-trained model"):
        open_packed(tmp_path / "packed")


def test_the_order_is_undone_by_its_inverse(directories: dict[str, Path]) -> None:
    for name in FAMILIES:
        found = open_directory(str(directories[name]))
        order = vocabulary_order(found, load_tokenizer(found.path))
        assert sorted(order.ours) == list(range(order.rows))
        assert all(order.theirs[token] == row for row, token in order.ours.items())


def test_a_tokenizer_larger_than_the_embedding_is_refused(tmp_path: Path) -> None:
    found = open_directory(str(make_pretrained("t5", tmp_path / "t5")))
    found.config["vocab_size"] = 20
    with pytest.raises(DataError, match=r"its tokenizer has \d+ pieces, and its embedding 20 rows"):
        vocabulary_order(found, load_tokenizer(found.path))


def test_a_prompt_stands_around_the_text(directories: dict[str, Path], tmp_path: Path) -> None:
    pack(open_directory(str(directories["t5"])), tmp_path / "packed", written=False)
    plain = open_packed(tmp_path / "packed")
    prompted = Prompted(plain, "{source}", "the old {source}")
    assert prompted.encode(["small cat"]) == plain.encode(["the old small cat"])


@pytest.mark.parametrize(("unknown", "refused"), [(5, False), (6, True)])
def test_text_that_the_vocabulary_does_not_know_is_refused_above_five_per_cent(unknown: int, refused: bool) -> None:
    column = ColumnReport(dtype="uint16", tokens=100, unknown=unknown, longest=9)
    train = SplitReport(read=9, kept=9, dropped={}, notes={}, columns={"source": column})
    if not refused:
        return require_known_text(train)
    with pytest.raises(DataError, match=r"source: 6.0% of the training tokens are unknown .* \(at most 5%\)"):
        require_known_text(train)
    return None
