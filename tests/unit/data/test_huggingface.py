"""Data sets of the `datasets` library, saved on this machine by the library itself."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import HubCorpus
from intelligen.data.huggingface import HubRows
from intelligen.errors import DataError, UnavailableError

ROWS = [{"translation": {"en": f"number {i}", "de": f"Nummer {i}"}, "id": i} for i in range(5)]
PAIRS = [(f"number {i}", f"Nummer {i}") for i in range(5)]


def save(directory: Path, rows: list[dict[str, Any]]) -> str:
    split = datasets.Dataset.from_list(rows)
    datasets.DatasetDict(train=split, validation=split, test=split).save_to_disk(directory)
    return str(directory)


@pytest.fixture
def saved(tmp_path: Path) -> str:
    return save(tmp_path / "saved", ROWS)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set's repository, as a clone of it would lie on disk."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "repository"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(folder)


def test_dotted_fields_descend_into_nested_columns(saved: str) -> None:
    corpus = HubRows(HubCorpus(dataset=saved), SOURCE_AND_TARGET)
    assert corpus.splits == ("train", "valid", "test")
    assert list(corpus.rows("train")) == PAIRS


def test_flat_columns_are_read_even_with_a_dot_in_their_name(tmp_path: Path) -> None:
    dataset = save(tmp_path / "flat", [{"text.en": "one", "de": "eins"}])
    corpus = HubRows(HubCorpus(dataset=dataset, source_field="text.en", target_field="de"), SOURCE_AND_TARGET)
    assert list(corpus.rows("test")) == [("one", "eins")]


def test_the_limit_bounds_training_rows_only(saved: str) -> None:
    corpus = HubRows(HubCorpus(dataset=saved, limit=2), SOURCE_AND_TARGET)
    assert list(corpus.rows("train")) == PAIRS[:2]
    assert list(corpus.rows("valid")) == PAIRS


@pytest.mark.parametrize("streaming", [False, True])
def test_a_repository_is_read_whole_or_as_a_stream(repository: str, streaming: bool) -> None:
    corpus = HubRows(HubCorpus(dataset=repository, streaming=streaming, limit=3), SOURCE_AND_TARGET)
    assert list(corpus.rows("train")) == PAIRS[:3]
    assert list(corpus.rows("test")) == PAIRS
    assert corpus.fingerprint() == HubRows(HubCorpus(dataset=repository, limit=3), SOURCE_AND_TARGET).fingerprint()


def test_a_missing_column_is_an_error_with_the_columns_there_are(saved: str) -> None:
    corpus = HubRows(HubCorpus(dataset=saved, source_field="text"), SOURCE_AND_TARGET)
    with pytest.raises(DataError, match=r"no column `text` \(there are translation, id\)"):
        list(corpus.rows("train"))


def test_a_missing_nested_field_is_an_error_with_the_fields_there_are(saved: str) -> None:
    corpus = HubRows(HubCorpus(dataset=saved, target_field="translation.fr"), SOURCE_AND_TARGET)
    with pytest.raises(DataError, match=r"\[train\]:0: no field `fr` \(there are en, de\)"):
        list(corpus.rows("train"))


def test_a_row_without_text_is_named(tmp_path: Path) -> None:
    rows = [{"en": "one", "de": "eins"}, {"en": "two", "de": None}]
    corpus = HubRows(
        HubCorpus(dataset=save(tmp_path / "gap", rows), source_field="en", target_field="de"), SOURCE_AND_TARGET
    )
    with pytest.raises(DataError, match=r"gap\[validation\]:1:de: must be text, got null"):
        list(corpus.rows("valid"))


def test_a_missing_split_is_an_error_with_the_splits_there_are(saved: str, repository: str) -> None:
    splits = {"train": "train", "valid": "dev", "test": "test"}
    with pytest.raises(DataError, match=r"Unknown split `dev` \(there are train, validation, test\)"):
        list(HubRows(HubCorpus(dataset=saved, splits=splits), SOURCE_AND_TARGET).rows("valid"))
    with pytest.raises(DataError, match=r'Unknown split "dev"\. Should be one of'):
        list(HubRows(HubCorpus(dataset=repository, splits=splits), SOURCE_AND_TARGET).rows("valid"))


def test_the_fingerprint_follows_the_rows_and_the_settings(tmp_path: Path) -> None:
    one, same = save(tmp_path / "one", ROWS), save(tmp_path / "same", ROWS)
    other = save(tmp_path / "other", ROWS[1:])
    prints = {name: HubRows(HubCorpus(dataset=name), SOURCE_AND_TARGET).fingerprint() for name in (one, same, other)}
    assert prints[one] == prints[same] != prints[other]
    assert HubRows(HubCorpus(dataset=one, limit=2), SOURCE_AND_TARGET).fingerprint() != prints[one]


def test_an_unreachable_data_set_says_what_to_do_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    corpus = HubRows(HubCorpus(dataset="nobody/nothing", subset="de-en"), SOURCE_AND_TARGET)
    for attempt in (corpus.fingerprint, lambda: list(corpus.rows("train"))):
        with pytest.raises(
            UnavailableError,
            match=r"^data set nobody/nothing \(de-en\) cannot be read: .*: -o data.corpus.dataset=PATH",
        ):
            attempt()
