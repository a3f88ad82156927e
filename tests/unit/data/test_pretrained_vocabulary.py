"""Text in the vocabulary of a pre-trained model: our special tokens, its own pieces, and the prompt around a source."""

import json
from pathlib import Path

import pytest
from conftest import tiny_data
from pretrained_models import SENTENCES, make_pretrained

from intelligen.config.pretrained_directory import open_directory
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FromPretrained
from intelligen.data.data_manifest import ColumnReport, SplitReport
from intelligen.data.data_summary import describe
from intelligen.data.preparation import prepare
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


@pytest.mark.parametrize("name", FAMILIES)
def test_special_tokens_in_a_text_are_read_and_never_written(
    name: str, directories: dict[str, Path], tmp_path: Path
) -> None:
    end = load_tokenizer(directories[name]).eos_token
    found = open_directory(str(directories[name]))
    pack(found, tmp_path / "read", written=False)
    (row,) = (reading := open_packed(tmp_path / "read")).encode([f"the old {end} small cat {end} the cat"])
    assert row.count(EOS) == 2, "a prompt's own marks were cut off with what followed them"
    assert row[-1] == reading.encode(["the cat"])[0][-1]
    pack(found, tmp_path / "written", written=True)
    (row,) = (writing := open_packed(tmp_path / "written")).encode([f"the old {end} small cat {end}"])
    assert not {PAD, BOS, EOS} & {*row}
    assert writing.decode([row])[0].startswith("the old")
    assert writing.decode([row])[0] != "the old"


def test_what_begins_a_text_is_no_part_of_what_is_written(tmp_path: Path) -> None:
    """Of a tokenizer that puts it there, although the decoder starts with it."""
    pack(open_directory(str(make_pretrained("mbart", tmp_path / "mbart"))), tmp_path / "packed", written=True)
    assert BOS not in open_packed(tmp_path / "packed").encode(["the old cat"])[0]


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
    assert "its embedding 20 rows" in refused(make_pretrained("t5", tmp_path / "t5"), {"vocab_size": 20})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vocab_size": "many"}, "t5: its configuration cannot be read (StrictDataclassFieldValidationError: Valid"),
        ({"decoder_start_token_id": 99}, "its decoder_start_token_id is 99, and its embedding has "),
        ({"decoder_start_token_id": "x"}, "its decoder_start_token_id is x, and its embedding has "),
        ({"dtype": "float99"}, "t5: its configuration cannot be read (AttributeError: "),
    ],
    ids=lambda one: "".join(one) if isinstance(one, dict) else "",
)
def test_a_configuration_that_cannot_be_is_refused_in_one_line(
    wrong: dict[str, object], message: str, tmp_path: Path
) -> None:
    assert message in refused(make_pretrained("t5", tmp_path / "t5"), wrong)


def test_what_a_configuration_may_leave_out_is_its_family_s_own(tmp_path: Path) -> None:
    directory = make_pretrained("t5", tmp_path / "t5")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({key: config[key] for key in config.keys() - {"vocab_size"}}))
    assert vocabulary_order(open_directory(str(directory)), load_tokenizer(directory)).rows == 32_128


def refused(directory: Path, wrong: dict[str, object]) -> str:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | wrong))
    with pytest.raises(DataError) as caught:
        pack(open_directory(str(directory)), directory.parent / "packed", written=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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
    with pytest.raises(DataError, match=r"source: 6\.0% of the training tokens are unknown .* \(at most 5%\)"):
        require_known_text(train)
    return None


@pytest.mark.parametrize(("snowmen", "refused"), [(0, False), (10, False), (200, True)])
def test_preparing_warns_of_some_unknown_text_and_refuses_much(
    snowmen: int, refused: bool, directories: dict[str, Path], tmp_path: Path
) -> None:
    lines = [*SENTENCES, *["☃"] * snowmen]
    for split, rows in (("train", lines), ("valid", SENTENCES[:8]), ("test", SENTENCES[8:16])):
        for side in ("en", "de"):
            (tmp_path / f"{split}.{side}").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    tokenizer = FromPretrained(name="pretrained", path=str(directories["t5"]))
    data = tiny_data(tmp_path).model_copy(update={"tokenizer": tokenizer})
    if refused:
        with pytest.raises(DataError, match="of the training tokens are unknown to the pre-trained vocabulary"):
            prepare(data, tmp_path / "store", columns=SOURCE_AND_TARGET)
        return
    lines = describe(prepare(data, tmp_path / "store", columns=SOURCE_AND_TARGET))
    warned = [line for line in lines if line.startswith("warning") and "vocabulary" in line]
    assert len(warned) == (2 if snowmen else 0)  # a line of each column
    assert all("the pre-trained vocabulary does not know" in line for line in warned)
