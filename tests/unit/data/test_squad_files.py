"""SQuAD and KorQuAD: every reference is kept for evaluation, articles stay together, faults are named by their path."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from intelligen.config.schema.columns import Row, references
from intelligen.config.schema.data import Data, FilesCorpus, Tokenizer
from intelligen.config.schema.split_forms import Dialogues, HeldOut, Squad
from intelligen.config.schema.tasks import QuestionAnswering
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_files import FileRows
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.preparation import prepare
from intelligen.errors import DataError

COLUMNS = QuestionAnswering.columns


def question(text: str, *answers: tuple[str, int]) -> dict[str, Any]:
    return {"id": text, "question": text, "answers": [{"text": one, "answer_start": at} for one, at in answers]}


def article(title: str, context: str, *questions: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "paragraphs": [{"context": context, "qas": list(questions)}]}


def written(path: Path, *articles: object) -> Path:
    path.write_text(json.dumps({"version": "1", "data": articles}, ensure_ascii=False), encoding="utf-8")
    return path


PARIS = article("Paris", "파리는 Paris,\nand big.", question("What?", ("Paris", 4), ("파리", 0), ("Paris", 4)))


def rows_of(path: Path, split: str = "valid", notes: Counter[str] | None = None, **settings: str) -> list[Row]:
    found = FileRows(path.parent, {split: Squad(squad=path.name, **settings)}, COLUMNS)
    return list(found.rows(split, notes))


def test_models_read_what_the_template_says_and_every_reference_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "q.json", PARIS)
    [(read, answer)] = rows_of(path)
    assert read == "question: What? context: 파리는 Paris, and big."  # on one line
    assert references(answer) == ["Paris", "파리"]
    assert rows_of(path, source="{title} | {question}") == [("Paris | What?", answer)]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{context}", "must contain {question}"),
        ("{question} {text}", "{text} is no field of a question"),
        ("{question", "is no template"),
        ("{question:d}", "a field is replaced as it is"),
        ("{question:>{context}}", "a field is replaced as it is"),
        ("{question!r}", "a field is replaced as it is"),
    ],
)
def test_a_template_with_another_field_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Squad(squad="q.json", source=template)


def test_training_loses_a_question_whose_answer_is_not_at_its_offset_and_evaluation_keeps_it(tmp_path: Path) -> None:
    fine, wrong = question("a?", ("one", 0)), question("b?", ("one", 0), ("two", 5))
    path = written(tmp_path / "q.json", article("t", "one two", fine, wrong))
    place = "(first q.json:data[0].paragraphs[0].qas[1].answers[1])"
    notes: Counter[str] = Counter()
    assert [row[0][10:12] for row in rows_of(path, "train", notes)] == ["a?"]
    assert notes == {f"questions_left_out_because_an_answer_is_not_at_its_offset {place}": 1}
    notes.clear()
    assert [row[0][10:12] for row in rows_of(path, "valid", notes)] == ["a?", "b?"]
    assert notes == {f"questions_an_answer_of_which_is_not_at_its_offset {place}": 1}


def test_a_file_whose_offsets_count_something_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "q.json", article("t", "äöü one", question("a?", ("one", 7))))
    message = f"{path}:data[0].paragraphs[0].qas[0].answers[0]: the answer 'one' is not in its context"
    for split in ("train", "valid"):
        with pytest.raises(DataError, match=re.escape(message)):
            rows_of(path, split)


def test_questions_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    path = written(tmp_path / "q.json", PARIS, article("t", "x", question("Impossible?")))
    assert len(rows_of(path, notes=notes)) == 1
    assert notes["questions_without_an_answer"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": [}', "q.json:1:11: not JSON"),
        ('{"dat": []}', "q.json: no field `data` (there are dat); did you mean `dat`?"),
        ("[]", "q.json: must be an object, got a list"),
        ('{"data": {}}', "q.json:data: must be a list, got an object"),
        ('{"data": [{"title": "a"}]}', "q.json:data[0]: no field `paragraphs` (there are title)"),
        (
            '{"data": [{"title": "a", "paragraphs": [{"context": 3, "qas": []}]}]}',
            "q.json:data[0].paragraphs[0].context: must be text, got a number",
        ),
    ],
)
def test_a_file_of_another_shape_is_named_with_its_path(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "q.json").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        rows_of(tmp_path / "q.json")


def articles(tmp_path: Path, count: int) -> Path:
    found = [
        article(
            f"t{number}",
            f"apples {number} pears {number}",
            *[question(f"what {number} {which}?", ("apples", 0), (f"{number}", 7)) for which in range(4)],
        )
        for number in range(count)
    ]
    return written(tmp_path / "all.json", *found)


DRAWN = HeldOut.model_validate({"from": "train", "rows": 6})


def test_a_split_that_is_drawn_from_questions_has_whole_articles(tmp_path: Path) -> None:
    articles(tmp_path, 10)
    corpus = FilesCorpus(folder=str(tmp_path), splits={"train": Squad(squad="all.json"), "valid": DRAWN, "test": DRAWN})
    found = open_corpus(corpus, COLUMNS)
    numbers = {split: {row[0].split()[2] for row in found.rows(split)} for split in found.splits}
    assert {split: len(some) for split, some in numbers.items()} == {"train": 6, "valid": 2, "test": 2}
    assert len(set().union(*numbers.values())) == 10


def test_prepared_data_train_on_the_first_reference_and_keep_all_for_scores(tmp_path: Path) -> None:
    path = articles(tmp_path, 30)
    corpus = FilesCorpus(folder=str(tmp_path), splits={"train": Squad(squad=path.name), "valid": DRAWN, "test": DRAWN})
    data = Data(corpus=corpus, tokenizer=Tokenizer(vocabulary=60))
    prepared = prepare(data, tmp_path / "store", columns=COLUMNS)
    test = prepared.split("test")
    assert {len(references(text)) for text in test.texts("answer")} == {2}
    tokens = [test.columns["answer"][row].tolist() for row in range(len(test))]
    assert prepared.tokenizer("answer").decode(tokens) == ["apples"] * len(test)
    (tmp_path / "new").mkdir()
    new = written(tmp_path / "new" / "new.json", PARIS)
    with NewTestSet("new", (new,)).encoded(prepared, COLUMNS) as (split, report):
        assert (report.kept, references(split.texts("answer")[0])) == (1, ["Paris", "파리"])


def test_forms_are_told_apart_by_their_keys() -> None:
    corpus = FilesCorpus.model_validate(
        {"folder": "f", "splits": {"train": {"squad": "a.json"}, "valid": {"dialogues": "b", "categories": ["c"]}}}
    )
    assert [type(files) for files in corpus.splits.values()] == [Squad, Dialogues]
