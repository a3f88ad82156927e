"""Moses' rules reach the vocabulary and what is encoded, and are undone in what is decoded; raw texts stay raw."""

import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, FilesCorpus, Tokenizer
from intelligen.config.schema.data import Moses as MosesSettings
from intelligen.config.schema.split_forms import ParallelText
from intelligen.data.moses_tokenizer import MosesTokenizer
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared

TARGET = ["ein hund, der bellt.", "die katze (klein) schläft!", "z.b. drei hunde: a, b und c.", "„ja“, sagt er."]
SOURCE = ["a dog that doesn't bark.", "the (small) cat sleeps!", "e.g. three dogs: a, b and c.", "“yes”, he says."]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("corpus")
    for split in ("train", "valid", "test"):
        repeat = 20 if split == "train" else 1
        for language, lines in (("en", SOURCE), ("de", TARGET)):
            own = lines[:-1] if split == "valid" else lines * repeat
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in own), encoding="utf-8")
    splits = {name: ParallelText(source=f"{name}.en", target=f"{name}.de") for name in ("train", "valid", "test")}
    tokenizer = Tokenizer(vocabulary=70, moses=MosesSettings(source="en", target="de"))
    return prepare(
        Data(corpus=FilesCorpus(folder=str(folder), splits=splits), tokenizer=tokenizer),
        folder / "store",
        columns=SOURCE_AND_TARGET,
    )


# By Moses' own tokenizer.perl and normalize-punctuation.perl.
@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        ("de", "ein hund, der bellt.", "ein hund , der bellt ."),
        ("de", "„ja“, sagt er.", '" ja " , sagt er .'),
        ("en", "a dog that doesn't bark.", "a dog that doesn 't bark ."),
        ("en", "A & B <c>", "A & B < c >"),
    ],
)
def test_punctuation_is_normalised_and_split_off(language: str, text: str, tokens: str) -> None:
    assert MosesTokenizer(language).tokenize(text) == tokens


@pytest.mark.parametrize("column", ["source", "target"])
def test_pieces_are_cut_from_tokens_and_joined_again(prepared: Prepared, column: str) -> None:
    texts = {"source": SOURCE, "target": TARGET}[column]
    tokenizer = prepared.tokenizer(column)
    rules = MosesTokenizer({"source": "en", "target": "de"}[column])
    encoded = tokenizer.encode(texts)
    cut = ["".join(tokenizer.pieces[token] for token in row).replace("▁", " ").strip() for row in encoded]
    assert cut == [rules.tokenize(text) for text in texts]
    assert tokenizer.decode(encoded) == [rules.detokenize(rules.tokenize(text)) for text in texts]
    assert tokenizer.decode(encoded)[0] == texts[0]
    rows = [prepared.split("test").columns[column][row].tolist() for row in range(len(texts))]
    assert rows == encoded


def test_the_vocabulary_is_learnt_from_tokens(prepared: Prepared) -> None:
    inside_words = {piece for piece in prepared.tokenizer("target").pieces[4:] if len(piece) > 1 and piece[0] != "▁"}
    assert not any(character in piece for piece in inside_words for character in ",.!:()")


def test_references_stay_as_they_were_read(prepared: Prepared) -> None:
    assert prepared.split("test").texts("target") == TARGET
