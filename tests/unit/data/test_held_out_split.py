"""A split that is drawn from train has the same pairs wherever they stand there, and train has none of them."""

import random
from collections import Counter
from pathlib import Path

import datasets
import pytest

from intelligen.config.load import load_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, FilesCorpus, Filters, HubCorpus
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.split_forms import HeldOut, PairTable, ParallelText
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_interface import Corpus
from intelligen.data.row_filters import Counts, evaluation_rows, trained_on, training_rows
from intelligen.errors import ConfigError, DataError

Pairs = list[tuple[str, str]]
ROWS = [(f"source {number}", f"target {number}") for number in range(200)]


def held_out(rows: int) -> HeldOut:
    return HeldOut.model_validate({"from": "train", "rows": rows})


def write(folder: Path, pairs: Pairs) -> None:
    for side, name in enumerate(("train.en", "train.de")):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    (folder / "test.tsv").write_text("source\ttarget\na\tb\n", encoding="utf-8")


def corpus(folder: Path, pairs: Pairs, **splits: HeldOut) -> Corpus:
    write(folder, pairs)
    files = {"train": ParallelText(source="train.en", target="train.de"), "test": PairTable(file="test.tsv")}
    settings = FilesCorpus(folder=str(folder), splits={**files, "valid": held_out(20), **splits})
    return open_corpus(settings, SOURCE_AND_TARGET)


def test_drawn_pairs_are_not_in_train(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    found = corpus(tmp_path, ROWS)
    valid, train = list(found.rows("valid")), list(found.rows("train", notes))
    assert (len(valid), len(train), notes["held_out"]) == (20, 180, 20)
    assert {*valid, *train} == {*ROWS}
    assert train == [pair for pair in ROWS if pair not in set(valid)]
    assert found.splits == ("train", "valid", "test")


def test_order_does_not_move_the_draw_and_further_rows_move_it_only_by_being_drawn(tmp_path: Path) -> None:
    valid = list(corpus(tmp_path, ROWS).rows("valid"))
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert list(corpus(tmp_path, shuffled).rows("valid")) == valid
    more = [(f"further {number}", "row") for number in range(20)]
    grown = list(corpus(tmp_path, [*more, *ROWS]).rows("valid"))
    new = [pair for pair in grown if pair in more]
    assert [pair for pair in grown if pair not in more] == valid[: len(valid) - len(new)]
    assert len(new) < 8  # two are expected


def test_duplicates_of_a_drawn_pair_go_with_it_and_are_drawn_once(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    found = corpus(tmp_path, [*ROWS, *ROWS, *ROWS])
    valid, train = list(found.rows("valid")), list(found.rows("train", notes))
    assert not {*train} & {*valid}
    assert (len(train), notes["held_out"]) == (540, 60)
    assert valid == list(corpus(tmp_path, ROWS).rows("valid"))


def test_pairs_with_an_empty_side_are_not_drawn(tmp_path: Path) -> None:
    empty = [("", f"target {number}") for number in range(300)] + [(f"source {number}", " ") for number in range(300)]
    assert all(source and target.strip() for source, target in corpus(tmp_path, [*empty, *ROWS]).rows("valid"))


def test_pairs_are_drawn_of_what_training_keeps_and_are_in_no_other_case_in_train(tmp_path: Path) -> None:
    cased = [(source.title(), target) for source, target in ROWS]
    misaligned = [(f"source {number}", "far too long " * 9) for number in range(400)]
    write(tmp_path, [*ROWS, *misaligned, *cased])
    files = {"train": ParallelText(source="train.en", target="train.de"), "test": PairTable(file="test.tsv")}
    found = FilesCorpus(folder=str(tmp_path), splits={**files, "valid": held_out(20)})
    data = Data(corpus=found, lowercase=True, filters=Filters(max_length_difference=20))
    drawn = open_corpus(found, SOURCE_AND_TARGET, trained_on(data, SOURCE_AND_TARGET))
    valid = list(evaluation_rows(drawn, "valid", SOURCE_AND_TARGET, data, Counts()))
    train = list(training_rows(drawn, SOURCE_AND_TARGET, data, Counts()))
    assert len({*valid}) == len(valid) == 20
    assert {*valid, *train} == {*ROWS}
    assert not {*valid} & {*train}


def test_splits_draw_different_pairs_and_one_does_not_move_the_other(tmp_path: Path) -> None:
    found = corpus(tmp_path, ROWS, test=held_out(30))
    valid, test = list(found.rows("valid")), list(found.rows("test"))
    assert not {*valid} & {*test}
    assert len(list(found.rows("train"))) == 150
    more = corpus(tmp_path, ROWS, test=held_out(31))
    assert list(more.rows("valid")) == valid
    assert list(more.rows("test"))[:30] == test


def test_what_is_drawn_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    prints = {corpus(tmp_path, ROWS, valid=held_out(rows)).fingerprint() for rows in (20, 21, 20)}
    assert len(prints) == 2


def test_a_row_is_located_where_it_is_in_the_files(tmp_path: Path) -> None:
    found = corpus(tmp_path, ROWS)
    for split in ("train", "valid"):
        for row, pair in enumerate(found.rows(split)):
            if row % 19 == 0:
                assert found.locate(split, row) == f"{tmp_path}/train.de:{ROWS.index(pair) + 1}"
    assert found.locate("test", 0) == f"{tmp_path}/test.tsv:2"


@pytest.mark.parametrize(("rows", "most"), [(200, 199), (5000, 199)])
def test_more_pairs_than_train_can_give_are_refused_with_what_it_can(tmp_path: Path, rows: int, most: int) -> None:
    with pytest.raises(DataError, match=rf"at most {most} to give; .*: -o data\.corpus\.splits\.valid\.rows=19$"):
        list(corpus(tmp_path, ROWS, valid=held_out(rows)).rows("valid"))
    assert len(list(corpus(tmp_path, ROWS, valid=held_out(most)).rows("train"))) == 1


@pytest.mark.parametrize("pairs", [ROWS[:1] * 3, []])
def test_no_number_is_named_where_train_can_give_none(tmp_path: Path, pairs: Pairs) -> None:
    with pytest.raises(DataError, match=r"which has at most 0 to give: give train more rows$"):
        list(corpus(tmp_path, pairs).rows("valid"))


def hub(dataset: Path, **splits: str | HeldOut) -> HubCorpus:
    named = {"train": "train", "valid": held_out(20), "test": held_out(30), **splits}
    return HubCorpus(dataset=str(dataset), source_field="source", target_field="target", splits=named)


def test_a_single_saved_dataset_gives_all_splits(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list([{"source": source, "target": target} for source, target in ROWS])
    rows.save_to_disk(tmp_path / "saved")
    found = open_corpus(hub(tmp_path / "saved"), SOURCE_AND_TARGET)
    drawn = corpus(tmp_path, ROWS, test=held_out(30))
    for split in ("train", "valid", "test"):
        assert list(found.rows(split)) == list(drawn.rows(split))
    assert found.locate("train", 0) == f"{tmp_path}/saved[train]:{ROWS.index(next(found.rows('train')))}"


def test_a_split_that_a_data_set_does_not_have_is_refused_with_the_way_to_draw_it(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list([{"source": source, "target": target} for source, target in ROWS])
    rows.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"Unknown split `validation` \(there are train\)") as caught:
        list(open_corpus(hub(tmp_path / "saved", valid="validation"), SOURCE_AND_TARGET).rows("valid"))
    assert "-o 'data.corpus.splits.valid={from: train, rows: 500}'" in str(caught.value)
    assert "load_from_disk" not in str(caught.value)


EXPERIMENT = """
version: 1
name: small
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {source: train.en, target: train.de}
      valid: VALID
      test: {file: test.tsv}
"""


def load(folder: Path, valid: str, *overrides: str) -> Experiment:
    (folder / "e.yaml").write_text(EXPERIMENT.replace("VALID", valid))
    return load_experiment(folder / "e.yaml", overrides)


def test_a_drawn_split_is_written_in_the_file_or_typed(tmp_path: Path) -> None:
    override = "data.corpus.splits.valid={from: train, rows: 7}"
    in_file = load(tmp_path, "{from: train, rows: 7}")
    typed = load(tmp_path, "{file: valid.tsv}", override)
    assert in_file == typed == load(tmp_path, "{from: train, rows: 9}", "data.corpus.splits.valid.rows=7")
    assert in_file.data.corpus.model_dump()["splits"]["valid"] == {"from": "train", "rows": 7, "group": None}


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        ("{from: tain, rows: 7}", 'splits.valid.from: must be "train", got "tain"'),
        ("{from: train}", "splits.valid.rows: required, but missing"),
        ("{from: train, rows: 0}", "splits.valid.rows: must be above 0"),
        ("{from: train, row: 7}", 'did you mean "rows"'),
    ],
)
def test_a_drawn_split_that_is_written_wrongly_is_refused_at_its_key(tmp_path: Path, valid: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, valid)
    assert message in str(caught.value)


def test_train_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"splits\.train must be data of its own"):
        load(tmp_path, "{file: v.tsv}", "data.corpus.splits.train={from: train, rows: 7}")
