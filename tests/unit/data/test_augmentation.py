"""Augmentation: random deletion and swap of words, a function of seed, row and copy, of the training split alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus

from intelligen.config.base import comparable
from intelligen.config.load import load_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column
from intelligen.config.schema.data import Augment, Data, FilesCorpus, Tokenizer
from intelligen.config.schema.split_forms import LineFiles
from intelligen.config.schema.tasks import Translation
from intelligen.data.augmentation import augmented, copies_of
from intelligen.data.data_summary import describe
from intelligen.data.preparation import data_identity, prepare
from intelligen.data.prepared_data import Prepared
from intelligen.errors import ConfigError

COLUMNS = (Column("text", read=True), Column("label", read=False, kind="label"))
WORDS = [f"w{number}" for number in range(40)]
SPLITS = ("train", "valid", "test")


def test_words_go_with_the_probability_that_was_given() -> None:
    draw, settings = Random(1), Augment(delete=0.2, swap=0.0)
    lengths = [len(augmented(" ".join(WORDS), settings, draw).split()) for _ in range(2000)]
    assert abs(sum(lengths) / len(lengths) - 32) < 0.3  # standard error: 0.06


def test_what_remains_is_in_its_order() -> None:
    found = augmented(" ".join(WORDS), Augment(delete=0.5, swap=0.0), Random(1)).split()
    assert found == [word for word in WORDS if word in found]


@pytest.mark.parametrize(("swap", "words", "swaps"), [(0.2, 10, 2), (0.25, 11, 2), (0.01, 10, 1), (1.0, 2, 2)])
def test_words_change_places_as_often_as_was_asked_for(swap: float, words: int, swaps: int) -> None:
    class Counted(Random):
        drawn = 0

        def sample(self, population: Sequence[int], k: int) -> list[int]:  # type: ignore[override]
            self.drawn += 1
            return super().sample(population, k)

    draw = Counted(1)
    found = augmented(" ".join(WORDS[:words]), Augment(delete=0.0, swap=swap), draw)
    assert draw.drawn == swaps
    assert Counter(found.split()) == Counter(WORDS[:words])
    if swaps == 1:
        assert sum(one != other for one, other in zip(found.split(), WORDS, strict=False)) == 2


@pytest.mark.parametrize("text", ["one", "one two", "  one  "])
def test_a_word_always_remains(text: str) -> None:
    settings = Augment(delete=0.99, swap=1.0)
    found = {augmented(text, settings, Random(seed)) for seed in range(200)}
    assert found
    assert all(part in text.split() for one in found for part in one.split())
    assert "" not in found


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_text_stays_empty(text: str) -> None:
    assert augmented(text, Augment(), Random(1)) == ""


def test_a_draw_is_a_function_of_seed_row_and_copy() -> None:
    def drawn(seed: int, row: int) -> list[str]:
        copies = copies_of(COLUMNS, Augment(delete=0.2, swap=0.2, copies=3, seed=seed))
        return [text for text, _ in copies((" ".join(WORDS), "1"), row)]

    assert drawn(1, 5) == drawn(1, 5)
    assert len({*drawn(1, 5), *drawn(1, 6), *drawn(2, 5)}) == 9


def test_what_models_should_write_and_labels_stay_as_they_are() -> None:
    settings = Augment(delete=0.5, swap=0.5, copies=20)
    row = (" ".join(WORDS), " ".join(WORDS))
    for columns in (COLUMNS, SOURCE_AND_TARGET):
        copies = list(copies_of(columns, settings)(row, 1))
        assert {second for _, second in copies} == {row[1]}
        assert row[0] not in {first for first, _ in copies}


def write(folder: Path) -> FilesCorpus:
    for split, rows in (("train", 60), ("valid", 20), ("test", 20)):
        texts = [" ".join(Random(f"{split} {row}").choices("abcdefgh", k=8)) for row in range(rows)]
        (folder / f"{split}.text").write_text("".join(f"{text}\n" for text in texts))
        (folder / f"{split}.label").write_text("".join(f"{row % 2}\n" for row in range(rows)))
    lines = {split: LineFiles(lines={"text": f"{split}.text", "label": f"{split}.label"}) for split in SPLITS}
    return FilesCorpus(folder=str(folder), splits=lines)


def prepared(folder: Path, augment: Augment | None) -> Prepared:
    data = Data(corpus=write(folder), tokenizer=Tokenizer(vocabulary=16), augment=augment)
    return prepare(data, folder / "store", columns=COLUMNS)


def rows(found: Prepared, split: str) -> list[tuple[str, int]]:
    text, label = (found.split(split).columns[name] for name in ("text", "label"))
    texts = found.tokenizer("text").decode([text[row].tolist() for row in range(len(text))])
    return list(zip(texts, [int(label[row][0]) for row in range(len(label))], strict=True))


def test_augmentation_never_reaches_validation_and_test(tmp_path: Path) -> None:
    plain, more = prepared(tmp_path, None), prepared(tmp_path, Augment(delete=0.3, swap=0.3, copies=4))
    for split in ("valid", "test"):
        assert rows(more, split) == rows(plain, split)
        assert more.split(split).texts("text") == plain.split(split).texts("text")
        assert "augmented" not in more.manifest.splits[split].notes


def test_the_training_split_has_its_rows_and_the_copies_behind_each(tmp_path: Path) -> None:
    plain, more = prepared(tmp_path, None), prepared(tmp_path, Augment(delete=0.3, swap=0.3, copies=2))
    found = rows(more, "train")
    assert (len(found), found[::3]) == (180, rows(plain, "train"))
    assert [label for _, label in found] == [label for _, label in rows(plain, "train") for _ in range(3)]
    assert all(Counter(copy) <= Counter(text) for (text, _), (copy, _) in zip(found[::3], found[2::3], strict=True))
    assert more.manifest.splits["train"].notes["augmented"] == 120
    assert "train: 180 of 60 rows and their copies kept; noted: 120 augmented" in describe(more)


def test_the_vocabulary_is_learnt_from_the_rows_themselves(tmp_path: Path) -> None:
    plain, more = prepared(tmp_path, None), prepared(tmp_path, Augment(copies=2))
    assert plain.file_hash("joint.model") == more.file_hash("joint.model")


def test_without_settings_nothing_is_augmented_and_no_identity_changes() -> None:
    assert "augment" not in comparable(Data())
    data = [Data(), Data(augment=Augment()), Data(augment=Augment(seed=2)), Data(augment=Augment(copies=2))]
    assert len({data_identity(one, "x", COLUMNS) for one in data}) == 4


def test_augmentation_is_refused_where_models_read_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_corpus(tmp_path)
    (tmp_path / "e.yaml").write_text(TINY_EXPERIMENT.replace("data:", "data:\n  augment: {copies: 1}"))
    monkeypatch.setattr(Translation, "columns", (Column("target", read=False),))
    with pytest.raises(ConfigError) as refused:
        load_experiment(tmp_path / "e.yaml")
    assert str(refused.value) == (
        f"{tmp_path}/e.yaml:5: data.augment changes texts that models read, and those of task translation read none;"
        " remove it"
    )
