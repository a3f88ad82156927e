"""Rows that several splits share are counted, and a validation set that is a test set is refused."""

import random
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY_EXPERIMENT, write_tiny_corpus

from intelligen.cli.main import commands
from intelligen.config.load import load_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.data.data_manifest import MANIFEST, Overlap
from intelligen.data.data_summary import describe, leaks
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import open_prepared
from intelligen.data.split_overlap import OverlapCount, RowHashes
from intelligen.errors import DataError

Pairs = list[tuple[str, str]]


def numbered(*numbers: int, target: str = "target") -> Pairs:
    return [(f"source {number}", f"{target} {number}") for number in numbers]


def compared(train: Pairs, **evaluation: Pairs) -> OverlapCount:
    found = OverlapCount(
        {split: RowHashes.of(pairs, SOURCE_AND_TARGET) for split, pairs in evaluation.items()}, SOURCE_AND_TARGET
    )
    for start in range(0, len(train), 3):
        found.add_train(train[start : start + 3])
    return found


def test_rows_that_another_split_has_are_counted_by_pair_and_by_source() -> None:
    found = compared(
        numbered(*range(10)) + numbered(0, 1),
        valid=numbered(0, 0, 20, 30) + numbered(5, target="another"),
        test=numbered(20, 40),
    ).overlaps()
    assert found == (
        Overlap(split="valid", other="train", rows=5, pairs=2, sources=3, distinct=2),
        Overlap(split="test", other="valid", rows=2, pairs=1, sources=1),
    )


def test_rows_that_repeat_an_earlier_one_are_counted() -> None:
    found = compared(numbered(1, 2, 1, 1, 3), valid=numbered(1, 1), test=numbered(4) + numbered(4, target="another"))
    assert found.duplicates() == {"train": 2, "valid": 1, "test": 0}


def test_counts_are_those_of_a_plain_comparison_of_sets() -> None:
    rng = random.Random(3)
    train, valid, test = (
        [(f"s{rng.randrange(60)}", f"t{rng.randrange(3)}") for _ in range(count)] for count in (200, 50, 40)
    )
    found = compared(train, valid=valid, test=test)
    for overlap, (rows, other) in zip(found.overlaps(), ((valid, train), (test, train), (test, valid)), strict=True):
        sources = {source for source, _ in other}
        assert overlap.pairs == sum(pair in set(other) for pair in rows)
        assert overlap.sources == sum(source in sources for source, _ in rows)
        assert (overlap.distinct or overlap.sources) == len({source for source, _ in rows if source in sources})
    assert found.duplicates()["train"] == len(train) - len(set(train))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus")
    (tmp_path / "e.yaml").write_text(TINY_EXPERIMENT.replace("folder: corpus", f"folder: {tmp_path}/corpus"))
    return tmp_path


def copy(directory: Path, split: str, to: str, *, times: int = 1) -> None:
    for language in ("en", "de"):
        text = (directory / "corpus" / f"{split}.{language}").read_text(encoding="utf-8")
        with (directory / "corpus" / f"{to}.{language}").open("a" if to == "train" else "w", encoding="utf-8") as file:
            file.write(text * times)


def test_preparing_says_what_splits_share(directory: Path) -> None:
    copy(directory, "test", "train", times=2)
    lines = describe(prepare(load_experiment(directory / "e.yaml").data, directory, columns=SOURCE_AND_TARGET))
    assert "in two splits: 24 of the 24 rows of test are in train too, and 24 of its inputs" in lines
    (repeated,) = (
        line
        for line in lines
        if line.startswith("duplicates: ") and line.endswith("rows of train repeat an earlier one")
    )
    assert int(repeated.split()[1]) >= 24


def test_preparing_says_that_nothing_is_shared(directory: Path) -> None:
    corpus = "data.corpus={name: embedded, train: 600, valid: 20, test: 20}"
    overrides = (corpus, "data.max_tokens=128", "model.max_positions=256")
    experiment = load_experiment(directory / "e.yaml", overrides)
    found = prepare(experiment.data, directory, columns=SOURCE_AND_TARGET)
    assert describe(found)[-1] == "no input is in two splits, and no split has duplicate rows"
    assert leaks(found.manifest) == []


def test_data_that_the_first_release_prepared_are_not_counted(directory: Path) -> None:
    found = prepare(load_experiment(directory / "e.yaml").data, directory, columns=SOURCE_AND_TARGET)
    text = found.manifest.model_dump_json(exclude={"overlaps", "sha256", "checksum"})
    (found.directory / MANIFEST).write_text(text)
    again = open_prepared(found.directory)
    assert describe(again)[-1] == "rows in several splits: not counted, because an earlier version prepared the data"


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_validation_set_that_is_the_test_set_is_refused_and_the_fix_works_as_it_is_named(
    directory: Path, shuffled: bool
) -> None:
    copy(directory, "test", "valid")
    if shuffled:
        for language in ("en", "de"):
            path = directory / "corpus" / f"valid.{language}"
            path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[::-1]), encoding="utf-8")
    command = ["prepare", str(directory / "e.yaml"), "--runs", str(directory / "runs")]
    refused = CliRunner().invoke(commands, command, standalone_mode=False)
    assert isinstance(refused.exception, DataError)
    assert "splits `valid` and `test` hold the same 24 rows" in str(refused.exception)
    fix = re.search(r"-o '[^']*valid[^']*'", str(refused.exception))
    assert fix is not None
    fixed = CliRunner().invoke(commands, [*command, *shlex.split(fix[0])], standalone_mode=False)
    assert fixed.exit_code == 0, fixed.output
    assert "valid: 24 of 24 rows kept" in fixed.output
    assert "of the 24 rows of valid are in train too" not in fixed.output


def test_another_test_set_must_not_be_the_validation_set_either(directory: Path) -> None:
    data = load_experiment(directory / "e.yaml", ("data.corpus.splits.more={source: valid.en, target: valid.de}",)).data
    with pytest.raises(DataError, match="splits `valid` and `more` hold the same 24 rows"):
        prepare(data, directory, columns=SOURCE_AND_TARGET)
