"""A trial's history is read where it has changed, and not again where it has not."""

from dataclasses import replace
from pathlib import Path

import pytest

from intelligen.analysis.strategy_table import device_seconds
from intelligen.errors import StorageError
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.history import History, Report
from intelligen.state.trial_records import Evidence, TrialRecord


@pytest.fixture
def record(tmp_path: Path) -> TrialRecord:
    (tmp_path / "trials" / "t0").mkdir(parents=True)
    return TrialRecord("t0", "trial", "standard", 1, {}, {}, "trials/t0", 0, 0)


def report(epoch: int, **metrics: float) -> Report:
    return Report(epoch, epoch, epoch, 0, metrics)


def test_an_epoch_is_seen_once_it_is_written_and_nothing_is_read_twice(tmp_path, record):
    histories, history = TrialHistories(tmp_path), History(tmp_path / record.directory)
    assert histories.reports(record) == []
    for epoch in (1, 2):
        history.append(report(epoch))
        assert [one.epoch for one in histories.reports(record)] == list(range(1, epoch + 1))
    assert histories.reports(record) is histories.reports(record)


def test_an_epoch_that_an_ended_trial_had_may_not_be_missing(tmp_path, record):
    histories = TrialHistories(tmp_path)
    History(tmp_path / record.directory).append(report(1))
    ended = replace(record, evidence=Evidence({1: None, 2: None}, None))
    assert [one.epoch for one in histories.whole(record)] == [1]
    with pytest.raises(StorageError, match=r"history\.jsonl: epoch 2 of t0 is missing"):
        histories.whole(ended)


def test_device_seconds_are_summed_over_epochs_and_those_of_the_first_histories_are_their_time():
    measured = {"cost/device_s": 7.0, "time/epoch_s": 3.0, "time/validation_s": 0.5}
    old = {"time/epoch_s": 3.0, "time/validation_s": 0.5}
    assert device_seconds([report(1, **measured), report(2, **old)]) == 10.5
    assert device_seconds([]) == 0
