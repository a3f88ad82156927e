"""A split that is drawn in groups: no group is in two splits, whatever else is drawn."""

import random
import re
from collections import Counter
from pathlib import Path

import datasets
import pytest

from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import FilesCorpus, HubCorpus
from intelligen.config.schema.split_forms import HeldOut, LineFiles, PairTable, ParallelText, SplitFiles
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_interface import Corpus
from intelligen.errors import ConfigError, DataError

COLUMNS = (Column("question", read=True), Column("answer", read=False))
Record = tuple[str, str, str]
"""Article, question and answer."""
ROWS: list[Record] = [(f"article {n % 23}", f"question {n}", f"answer {n % 5}") for n in range(300)]
ARTICLE = {question: article for article, question, _ in ROWS}


def held_out(rows: int, group: str | None = None) -> HeldOut:
    return HeldOut.model_validate({"from": "train", "rows": rows, "group": group})


def corpus(folder: Path, rows: list[Record], **splits: SplitFiles | HeldOut) -> Corpus:
    text = "".join("\t".join(row) + "\n" for row in [("article", "question", "answer"), *rows])
    (folder / "t.tsv").write_text(text)
    (folder / "test.tsv").write_text("question\tanswer\na\tb\n")
    files = {"train": PairTable(file="t.tsv"), "test": PairTable(file="test.tsv"), "valid": held_out(40, "article")}
    return open_corpus(FilesCorpus(folder=str(folder), splits={**files, **splits}), COLUMNS)


def articles(found: Corpus, split: str) -> set[str]:
    return {ARTICLE[row[0]] for row in found.rows(split)}


def test_rows_of_one_group_are_in_one_split(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    found = corpus(tmp_path, ROWS)
    valid, train = list(found.rows("valid")), list(found.rows("train", notes))
    assert not articles(found, "valid") & articles(found, "train")
    assert 40 <= len(valid) < 40 + 14  # as many as the last article has too much
    assert len(valid) + len(train) == 300
    assert notes["held_out"] == len(valid)
    assert list(found.rows("test")) == [("a", "b")]  # which has no article


def test_order_does_not_move_a_draw_of_groups(tmp_path: Path) -> None:
    one = articles(corpus(tmp_path, ROWS), "valid")
    assert articles(corpus(tmp_path, random.Random(1).sample(ROWS, 300)), "valid") == one


def test_no_split_takes_a_row_out_of_a_group_of_another(tmp_path: Path) -> None:
    for splits in (
        {"test": held_out(50)},
        {"valid": held_out(40), "test": held_out(50, "article")},
        {"test": held_out(50, "article")},
    ):
        found = corpus(tmp_path, ROWS, **splits)
        drawn = {name: {row[0] for row in found.rows(name)} for name in ("train", "valid", "test")}
        assert sum(map(len, drawn.values())) == len({*ROWS}) == 300
        for name in ("valid", "test"):
            if (splits.get(name) or held_out(40, "article")).group:
                others = [other for other in drawn if other != name]
                assert not articles(found, name) & set().union(*(articles(found, other) for other in others))


def test_a_row_of_another_group_that_training_could_not_distinguish_leaves_train(tmp_path: Path) -> None:
    drawn = next(corpus(tmp_path, ROWS).rows("valid"))
    found = corpus(tmp_path, [*ROWS, ("another article", *drawn)])
    assert drawn not in set(found.rows("train"))


def test_duplicates_within_a_group_are_drawn_once(tmp_path: Path) -> None:
    valid = list(corpus(tmp_path, ROWS).rows("valid"))
    assert list(corpus(tmp_path, [*ROWS, *ROWS]).rows("valid")) == valid


def test_rows_that_are_drawn_are_located(tmp_path: Path) -> None:
    found = corpus(tmp_path, ROWS)
    for split in ("train", "valid"):
        row = list(found.rows(split))[7]
        line = 2 + next(number for number, one in enumerate(ROWS) if one[1:] == row)
        assert found.locate(split, 7) == f"{tmp_path}/t.tsv:{line}"


def test_the_group_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    groups = (None, "article", "answer")
    assert len({corpus(tmp_path, ROWS, valid=held_out(40, group)).fingerprint() for group in groups}) == 3


def test_one_group_at_least_is_left_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"at most \d+ to give; .*: -o data\.corpus\.splits\.valid\.rows=\d+$"
    ) as refused:
        list(corpus(tmp_path, ROWS, valid=held_out(299, "article")).rows("valid"))
    most = int(re.findall(r"at most (\d+)", str(refused.value))[0])
    found = corpus(tmp_path, ROWS, valid=held_out(most, "article"))
    assert (len(list(found.rows("valid"))), len(articles(found, "train"))) == (most, 1)
    one_group = [("article", *row[1:]) for row in ROWS]
    with pytest.raises(DataError, match=r"at most 0 to give: give train more groups$"):
        list(corpus(tmp_path, one_group).rows("valid"))


def test_groups_may_be_numbers_of_a_data_set(tmp_path: Path) -> None:
    records = [{"article": n % 9, "question": f"q {n}", "answer": "a"} for n in range(90)]
    datasets.Dataset.from_list(records).save_to_disk(tmp_path / "saved")
    splits = {"train": "train", "valid": held_out(20, "article"), "test": held_out(20, "article")}
    found = open_corpus(HubCorpus(dataset=str(tmp_path / "saved"), splits=splits), COLUMNS)
    assert [len(list(found.rows(split))) for split in ("train", "valid", "test")] == [50, 20, 20]


def test_a_group_that_the_data_do_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.tsv:1: no column `titel` \(there are article, question, answer\)"):
        list(corpus(tmp_path, ROWS, valid=held_out(9, "titel")).rows("valid"))
    pair = ParallelText(source="t.tsv", target="t.tsv")
    settings = FilesCorpus(folder=str(tmp_path), splits={"train": pair, "valid": held_out(9, "titel"), "test": pair})
    with pytest.raises(
        ConfigError, match=r"^data\.corpus\.splits\.train: .* `titel`, which splits\.valid\.group names;"
    ):
        open_corpus(settings, (Column("source", read=True),))


def test_groups_in_a_file_of_their_own_have_a_line_for_each_row(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("".join(f"text {number}\n" for number in range(40)))
    (tmp_path / "article").write_text("".join(f"article {number % 8}\n" for number in range(39)))
    lines = LineFiles(lines={"text": "text", "article": "article"})
    splits = {"train": lines, "valid": held_out(9, "article"), "test": lines}
    found = open_corpus(FilesCorpus(folder=str(tmp_path), splits=splits), (Column("text", read=True),))
    with pytest.raises(DataError, match=r"text has 40 lines, \S*article has 39: line i of one must belong to line i"):
        list(found.rows("valid"))
    with (tmp_path / "article").open("a") as file:
        file.write("article 7\n")
    assert len(list(found.rows("train"))) == 40 - 10  # two articles of five rows each


def test_the_order_of_the_settings_does_not_matter(tmp_path: Path) -> None:
    drawn = {"one": held_out(30, "answer"), "two": held_out(30, "article")}
    one, other = corpus(tmp_path, ROWS, **drawn), corpus(tmp_path, ROWS, **dict(reversed(drawn.items())))
    assert one.fingerprint() == other.fingerprint()
    assert list(one.rows("two")) == list(other.rows("two"))
