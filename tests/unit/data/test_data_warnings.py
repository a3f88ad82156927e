"""Prepared data that choose models by luck, or that are probably not what was meant, are named with their setting."""

from pathlib import Path
from typing import Any

import pytest
from conftest import tiny_data

from intelligen.config.files.overrides import parse_override
from intelligen.config.files.suggested_fixes import typed_for_sweep
from intelligen.config.schema.data import Data
from intelligen.data.data_manifest import Manifest, SplitReport
from intelligen.data.data_warnings import data_warnings

DRAWN = {"from": "train", "rows": 200}
KEY = "data.corpus.splits"


def warned(data: Data, notes: dict[str, int] | None = None, **rows: int) -> list[str]:
    splits = {
        name: SplitReport(
            read=count, kept=count, dropped={}, notes=(notes or {}) if name == "train" else {}, columns={}
        )
        for name, count in rows.items()
    }
    manifest = Manifest(
        format=1, identity="i", fingerprint="f", data=data, versions={}, tokenizers={}, splits=splits, files={}
    )
    return data_warnings(manifest)


def drawn(*splits: str) -> Data:
    corpus: dict[str, Any] = tiny_data(Path("corpus")).corpus.model_dump(mode="json")
    corpus["splits"] |= dict.fromkeys(splits, DRAWN)
    return Data.model_validate({"corpus": corpus})


def test_data_of_usual_sizes_give_no_warning() -> None:
    assert warned(drawn("valid"), train=29_000, valid=1_000, test=1_000) == []
    assert warned(drawn("valid"), train=20_000, valid=5_000, test=25_000) == []  # as aclImdb is published
    assert warned(Data(), train=20_000, valid=400, test=400, test_ood=400) == []


def test_a_training_set_that_is_smaller_than_what_is_drawn_from_it_is_named_with_the_numbers_to_lower() -> None:
    (line,) = warned(drawn("valid", "test"), train=350, valid=200, test=200)
    assert line.startswith("train has 350 rows, fewer than the 200 of valid and the 200 of test; ")
    assert line.endswith(f"hold out fewer with {KEY}.valid.rows or {KEY}.test.rows")


def test_copies_of_augmentation_are_no_training_rows() -> None:
    assert warned(drawn("valid"), {"augmented": 150}, train=300, valid=200, test=120)[0].startswith(
        "train has 150 rows"
    )


def test_a_validation_set_of_its_own_that_is_larger_than_the_training_set_is_named_with_its_files() -> None:
    (line,) = warned(drawn(), train=900, valid=1_000, test=1_000)
    assert line == f"train has 900 rows, fewer than the 1,000 of valid; hold out fewer with {KEY}.valid"


def test_files_that_may_be_interchanged_are_named() -> None:
    (line,) = warned(drawn(), train=1_000, valid=500, test=29_000)
    assert line.startswith("test has 29,000 rows and train only 1,000; ")
    assert f"{KEY}.train and {KEY}.test" in line


@pytest.mark.parametrize(("count", "counted"), [(1, "1 row"), (99, "99 rows")])
def test_evaluation_sets_of_few_rows_are_named(count: int, counted: str) -> None:
    assert warned(drawn("valid"), train=1_000, valid=count, test=count) == [
        f"valid has {counted}, so luck chooses the best epoch and trial; give it 100 or more with {KEY}.valid.rows",
        f"test has {counted}, so its scores are hardly known; give it 100 or more with {KEY}.test",
    ]


@pytest.mark.parametrize(("train", "wanted"), [(500, 50), (30, 10)])
def test_of_small_data_a_tenth_is_enough(train: int, wanted: int) -> None:
    assert warned(drawn("valid"), train=train, valid=wanted, test=wanted) == []
    (line, _) = warned(drawn("valid"), train=train, valid=wanted - 1, test=wanted - 1)
    assert line.endswith(f"give it {wanted} or more with {KEY}.valid.rows")


def test_the_embedded_corpus_has_keys_of_its_own() -> None:
    lines = warned(Data(), train=300, valid=400, test=24, test_ood=24)
    assert [line.rpartition(" with ")[2] for line in lines] == ["data.corpus.valid", *2 * ["data.corpus.test"]]


def test_a_header_that_is_read_as_a_row_is_named_with_what_to_type() -> None:
    (line,) = warned(drawn(), {"header_as_row": 1}, train=1_000, valid=100, test=100)
    assert line.startswith("train: the first row looks like names of columns, and is read as text")
    typed = parse_override(line.rpartition("-o ")[2])
    assert (typed.key, typed.value) == (f"{KEY}.train.columns", None)
    assert typed_for_sweep(line).endswith(f"-o experiment.{KEY}.train.columns=null")
