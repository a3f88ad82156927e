"""What a trial leaves on disk is read as it was written, or refused: every object has a checksum."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from intelligen.config.schema.decoding import Decoding, Greedy
from intelligen.errors import StorageError
from intelligen.evaluation import Interval
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.history import HISTORY_FILE, History, Report, ValidationSample, read_history
from intelligen.state.trial_result import RESULT, Result, read_result
from intelligen.training.scores_file import Scores, read_scores, write_scores
from intelligen.training.selected_weights import write_result

Written = tuple[Path, Callable[[], Any]]


def history(directory: Path) -> Written:
    samples = (ValidationSample("ein Haus", "a house\u2028", "a “house”"),)
    for epoch in (1, 2):
        metrics = {"valid/bleu": 39.0, "train/loss": 1 / 3}
        History(directory).append(Report(epoch, 10 * epoch, 100 * epoch, 17_000, metrics, samples=samples))
    path = directory / HISTORY_FILE
    return path, lambda: read_history(path)


def result(directory: Path) -> Written:
    write_result(directory, Result("best of 2 epochs", {"valid/bleu": 39.0}, "finished"), model=nn.Linear(1, 1))
    return directory / RESULT, lambda: read_result(directory)


def scores(directory: Path) -> Written:
    scores = Scores(
        search=Greedy(),
        metrics={"test/bleu": 18.63},
        bleu=Interval(18.63, low=1.0, high=30.0),
        signatures={"bleu": "nrefs:1"},
        hypotheses=("ein Haus", "zwei Häuser"),
    )
    path = write_scores(directory, "test", scores, decoding=Decoding())
    return path, lambda: read_scores(path)


@pytest.mark.parametrize("write", [history, result, scores])
def test_no_flipped_bit_is_taken_for_what_was_written(tmp_path: Path, write: Callable[[Path], Written]) -> None:
    path, read = write(tmp_path)
    written, whole = path.read_bytes(), read()
    refused = 0
    for index in range(len(written) - 1):  # without the last newline, whose line would count as cut short
        path.write_bytes(written[:index] + bytes([written[index] ^ 1 << index % 8]) + written[index + 1 :])
        refused += 1
        with suppress(StorageError):
            assert read() == whole
            refused -= 1
    assert refused > 0.9 * len(written)


@pytest.mark.parametrize("write", [history, result, scores])
def test_what_a_version_without_checksums_wrote_is_read(tmp_path: Path, write: Callable[[Path], Written]) -> None:
    path, read = write(tmp_path)
    whole, text = read(), path.read_text()
    texts = text.split("\n")[:-1] if path.suffix == ".jsonl" else [text]
    path.write_text("".join(json.dumps(unseal(one)) + "\n" for one in texts))
    assert read() == whole


def test_a_seal_stays_with_its_object_whatever_the_form() -> None:
    fields = {"a": [1.5, None], "b": {"crc": "00000000"}}
    for text in (json.dumps(fields), json.dumps(fields, indent=1) + "\n"):
        assert unseal(seal(text)) == fields
    with pytest.raises(ValueError, match="checksum"):
        unseal(seal(json.dumps(fields)).replace("1.5", "2.5"))
