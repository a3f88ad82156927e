"""Data are prepared for the columns of a task: one or several, and no others are read."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import datasets
import pytest
from conftest import TINY_EXPERIMENT, tiny_data, write_tiny_corpus

from intelligen.config.load import load_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column, Row
from intelligen.config.schema.data import (
    Corpus,
    Data,
    EmbeddedCorpus,
    FilesCorpus,
    Filters,
    HubCorpus,
    Moses,
    Tokenizer,
)
from intelligen.config.schema.split_forms import HeldOut, LineFiles, PairTable, ParallelText
from intelligen.config.schema.tasks import Translation
from intelligen.data.corpora import open_corpus
from intelligen.data.data_manifest import Overlap
from intelligen.data.data_summary import describe
from intelligen.data.held_out_split import HeldOutRows
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.preparation import data_identity, prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import ConfigError, DataError

SOURCE, TARGET = (Column("source", read=True),), (Column("target", read=False),)
SPLITS = ("train", "valid", "test")
SOURCES = {
    "train": ["", *(f"ape bee {number % 290}" for number in range(300))],
    "valid": ["ape bee 7", "", "ape " * 40],
    "test": ["bee", "cat"],
}


def parallel_without_targets(folder: Path) -> Corpus:
    for split, texts in SOURCES.items():
        (folder / f"{split}.en").write_text("".join(f"{text}\n" for text in texts))
    splits = {split: ParallelText(source=f"{split}.en", target="missing") for split in SPLITS}
    return FilesCorpus(folder=str(folder), splits=splits)


def table_without_targets(folder: Path) -> Corpus:
    for split, texts in SOURCES.items():
        (folder / f"{split}.tsv").write_text("id\tsource\n" + "".join(f"1\t{text}\n" for text in texts))
    return FilesCorpus(folder=str(folder), splits={split: PairTable(file=f"{split}.tsv") for split in SPLITS})


def hub_without_targets(folder: Path) -> Corpus:
    saved = {split: datasets.Dataset.from_dict({"en": texts}) for split, texts in SOURCES.items()}
    datasets.DatasetDict(saved).save_to_disk(folder / "saved")
    return HubCorpus(dataset=str(folder / "saved"), source_field="en", splits={split: split for split in SPLITS})


WITHOUT_TARGETS = [parallel_without_targets, table_without_targets, hub_without_targets]


def prepared_sources(folder: Path, written: Callable[[Path], Corpus]) -> Prepared:
    data = Data(corpus=written(folder), tokenizer=Tokenizer(vocabulary=30), max_tokens=30)
    return prepare(data, folder / "store", columns=SOURCE)


@pytest.mark.parametrize("written", WITHOUT_TARGETS)
def test_a_task_may_read_one_column_and_the_other_need_not_be_there(
    tmp_path: Path, written: Callable[[Path], Corpus]
) -> None:
    prepared = open_prepared(prepared_sources(tmp_path, written).directory)
    train, valid = prepared.split("train"), prepared.split("valid")
    assert list(prepared.vocabularies) == list(train.columns) == ["source"]
    rows = [train.columns["source"][row].tolist() for row in range(len(train))]
    assert prepared.tokenizer("source").decode(rows) == SOURCES["train"][1:]
    assert valid.texts("source") == SOURCES["valid"]
    assert valid.columns["source"].lengths.max() == 30
    reports = prepared.manifest.splits
    assert (reports["train"].dropped, reports["train"].duplicates) == ({"empty": 1}, 10)
    assert reports["valid"].notes == {"empty_source": 1, "truncated_source": 1}
    assert prepared.manifest.overlaps == (Overlap(split="valid", other="train", rows=3, pairs=1, sources=1),)
    assert "train: 300 of 301 rows kept; left out: 1 empty" in describe(prepared)


def test_rows_are_filtered_by_the_columns_of_the_task_alone(tmp_path: Path) -> None:
    for split, row in (("train", ("ape", "affe " * 50)), ("valid", ("bee", "")), ("test", ("cat", " "))):
        (tmp_path / f"{split}.jsonl").write_text(f'{{"source": "{row[0]}", "target": "{row[1]}"}}\n' * 20)
    splits = {split: PairTable(file=f"{split}.jsonl") for split in SPLITS}
    filters = Filters(max_characters=10, max_length_difference=5)
    corpus = FilesCorpus(folder=str(tmp_path), splits=splits)
    data = Data(corpus=corpus, filters=filters, tokenizer=Tokenizer(vocabulary=10), max_tokens=8)
    kept = prepare(data, tmp_path / "store", columns=SOURCE).manifest.splits
    assert [kept[split].kept for split in SPLITS] == [20, 20, 20]
    with pytest.raises(DataError, match=r"valid\.jsonl:1: empty target in split `valid`: it cannot be scored"):
        prepare(data, tmp_path / "store", columns=TARGET)


def test_embedded_sentences_are_read_by_column() -> None:
    corpus = EmbeddedCorpus(train=20, valid=5, test=5)
    pairs = list(open_corpus(corpus, SOURCE_AND_TARGET).rows("train"))
    assert list(open_corpus(corpus, SOURCE).rows("train")) == [(english,) for english, _ in pairs]
    swapped = open_corpus(corpus, SOURCE_AND_TARGET[::-1])
    assert list(swapped.rows("train")) == [(german, english) for english, german in pairs]


def test_other_columns_are_other_data() -> None:
    messages = {
        data_identity(Data(), "fingerprint", columns)
        for columns in (
            SOURCE_AND_TARGET,
            SOURCE_AND_TARGET[::-1],
            SOURCE,
            (Column("source", read=False),),
            TARGET,
            (Column("source", read=True), Column("target", read=True)),
        )
    }
    assert len(messages) == 6


def test_what_is_not_read_is_not_in_the_fingerprint(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path)
    corpus = tiny_data(tmp_path).corpus
    before = [open_corpus(corpus, columns).fingerprint() for columns in (SOURCE, SOURCE_AND_TARGET)]
    (tmp_path / "train.de").write_text("affe\n" * 400)
    after = [open_corpus(corpus, columns).fingerprint() for columns in (SOURCE, SOURCE_AND_TARGET)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


def test_a_new_test_set_has_the_columns_of_the_task(tmp_path: Path) -> None:
    prepared = prepared_sources(tmp_path, parallel_without_targets)
    (tmp_path / "new.tsv").write_text("source\nape bee\n\n")
    test_set = NewTestSet("new", (tmp_path / "new.tsv",))
    with test_set.encoded(prepared, SOURCE) as (split, report):
        assert (list(split.columns), split.texts("source"), report.kept) == (["source"], ["ape bee"], 1)
    pair = NewTestSet("new", (tmp_path / "new.tsv", tmp_path / "new.tsv"))
    with (
        pytest.raises(ConfigError, match=r"^--data new: give data with `label`, .* \(there are source, target\)"),
        pair.encoded(prepared, (Column("label", read=False),)),
    ):
        pass


@pytest.mark.parametrize(
    ("corpus", "key"),
    [
        (EmbeddedCorpus(), "data.corpus"),
        (
            FilesCorpus(folder="/nowhere", splits=dict.fromkeys(SPLITS, ParallelText(source="a", target="b"))),
            "data.corpus",
        ),
    ],
)
def test_a_column_that_the_corpus_lacks_is_refused_before_anything_is_read(corpus: Corpus, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_corpus(corpus, (*SOURCE, Column("targets", read=False)))
    assert str(caught.value) == (
        f"{key}: give data with `targets`, which the task needs; these have none (there are source, target);"
        " did you mean `target`?"
    )


def test_a_task_whose_column_the_data_lack_is_reported_with_its_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.yaml").write_text(TINY_EXPERIMENT)  # its folder is not there
    monkeypatch.setattr(Translation, "columns", (*SOURCE, Column("label", read=False)))
    with pytest.raises(ConfigError) as refused:
        load_experiment(tmp_path / "e.yaml")
    assert (refused.value.exit_code, str(refused.value)) == (
        2,
        f"{tmp_path}/e.yaml:5: data.corpus has no label, which task translation needs (there are source, target);"
        " name other data, or another task",
    )


def test_a_corpus_has_the_columns_that_all_its_splits_may_have() -> None:
    drawn = HeldOut.model_validate({"from": "train", "rows": 5})
    splits = {"train": ParallelText(source="a", target="b"), "valid": drawn, "test": PairTable(file="t.tsv")}
    assert FilesCorpus(folder="f", splits=splits).known == ("source", "target")
    splits["test"] = LineFiles(lines={"target": "a", "text": "b"})
    assert FilesCorpus(folder="f", splits=splits).known == ("target",)
    assert FilesCorpus(folder="f", splits=dict.fromkeys(SPLITS, PairTable(file="t.tsv"))).known is None


QUESTIONS = (Column("context", read=True), Column("question", read=True), Column("answer", read=False))
TRIPLES: list[Row] = [(f"Ape {n % 7} is BIG", f"How big is ape {n}?", f"{n} m") for n in range(200)]


class Questions:
    """Rows of three columns, in memory."""

    splits = SPLITS
    key = "data.corpus"

    def __init__(self, **splits: Sequence[Row]) -> None:
        self._rows = {"train": TRIPLES, "valid": TRIPLES[:4], "test": TRIPLES[:1], **splits}

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        return iter(self._rows[split])

    def locate(self, split: str, row: int) -> str:
        return f"{split}:{row}"

    def fingerprint(self) -> str:
        return "questions"


def prepared_questions(store: Path, monkeypatch: pytest.MonkeyPatch, data: Data, **splits: Sequence[Row]) -> Prepared:
    monkeypatch.setattr("intelligen.data.preparation.open_corpus", lambda *_: Questions(**splits))
    return prepare(data, store, columns=QUESTIONS)


@pytest.mark.parametrize("joint", [True, False])
def test_rows_of_three_columns_are_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joint: bool) -> None:
    valid: list[Row] = [
        ("Ape 1 is BIG", "How big is ape 1?", "1 m"),  # in train
        ("Ape 1 is BIG", "How big is ape 1?", "2 m"),  # what is read of it is
        ("Ape 1 is BIG", "How big is ape 2?", "2 m"),
        ("", "How big? " * 12, "m " * 40),
    ]
    train: list[Row] = [*TRIPLES, ("Ape", "", "m"), ("Ape is " * 9, "How?", "m"), TRIPLES[0]]
    data = Data(
        lowercase=True,
        filters=Filters(max_length_difference=40),
        tokenizer=Tokenizer(vocabulary=40, joint=joint, moses=Moses(source="en", target="de")),
        max_tokens=30,
    )
    prepared = prepared_questions(tmp_path, monkeypatch, data, train=train, valid=valid, test=[("a", "b", "c")])
    manifest, found = prepared.manifest, open_prepared(prepared.directory).split("valid")
    assert list(found.columns) == list(prepared.vocabularies) == ["context", "question", "answer"]
    assert len({prepared.tokenizer(column.name).pieces for column in QUESTIONS}) == (1 if joint else 3)
    for index, column in enumerate(QUESTIONS):
        assert found.texts(column.name) == [row[index].lower() for row in valid]
    assert prepared.tokenizer("context").decode(prepared.tokenizer("context").encode(["ape  is"])) == ["ape  is"]
    assert [found.columns[column.name].lengths.max() > 30 for column in QUESTIONS] == [False, False, True]
    assert manifest.splits["train"].dropped == {"empty": 1, "length_difference": 1}
    assert manifest.splits["train"].duplicates == 1
    assert manifest.splits["valid"].notes == {"empty_context": 1, "truncated_question": 1, "overlong_answer": 1}
    assert manifest.overlaps == (Overlap(split="valid", other="train", rows=4, pairs=1, sources=2, distinct=1),)


def test_an_empty_text_that_models_should_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"^test:1: empty answer in split `test`"):
        prepared_questions(tmp_path, monkeypatch, Data(), test=[("a", "", "b"), ("a", "b", "")])


def test_data_of_which_nothing_is_read_are_compared_by_whole_rows(tmp_path: Path) -> None:
    (tmp_path / "text.tsv").write_text("target\n" + "".join(f"ape bee {number}\n" for number in range(100)))
    (tmp_path / "test.tsv").write_text("target\nape bee 5\ngnu\n")
    splits = {"train": PairTable(file="text.tsv"), "valid": HeldOut.model_validate({"from": "train", "rows": 9})}
    corpus = FilesCorpus(folder=str(tmp_path), splits={**splits, "test": PairTable(file="test.tsv")})
    data = Data(corpus=corpus, tokenizer=Tokenizer(vocabulary=30))
    prepared = prepare(data, tmp_path / "store", columns=TARGET)
    assert [prepared.manifest.splits[split].kept for split in SPLITS] == [91, 9, 2]
    (shared,) = prepared.manifest.overlaps or ()
    assert (shared.split, shared.pairs, shared.sources) == ("test", 1, 1)


def test_rows_of_any_width_can_be_drawn_from_train() -> None:
    drawn = HeldOutRows(Questions(), {"valid": 20})
    valid, train = list(drawn.rows("valid")), list(drawn.rows("train"))
    assert (len(valid), {*valid, *train}) == (20, {*TRIPLES})
    assert not {*valid} & {*train}
