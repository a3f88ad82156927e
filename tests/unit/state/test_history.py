"""A history holds every epoch once; a line that a kill cut short does not count, and damage elsewhere is named."""

import pytest

from intelligen.errors import StorageError
from intelligen.evaluation.metric import Accuracy
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.state.history import HISTORY_FILE, History, Report, read_history
from intelligen.training.report_line import report_line


def report(epoch: int) -> Report:
    return Report(epoch, 10 * epoch, 100 * epoch, 0, {"valid/bleu": 1.0})


def test_an_epoch_stands_once_and_a_torn_end_does_not_count(tmp_path):
    for epoch in (1, 2, 2):
        History(tmp_path).append(report(epoch))
    path = tmp_path / HISTORY_FILE
    path.write_text(path.read_text() + '{"epoch": 3, "upd')
    assert read_history(path) == [report(1), report(2)]
    History(tmp_path).append(report(3))
    assert read_history(path) == [report(1), report(2), report(3)]


@pytest.mark.parametrize("line", ["\0\0\0", "{]", "[]", "{}", '{"epoch": 2, "samples": []}'])
def test_a_damaged_line_is_named_with_its_file(tmp_path, line):
    path = tmp_path / HISTORY_FILE
    path.write_text(f"{report(1).to_json()}\n{line}\n{report(3).to_json()}\n")
    with pytest.raises(
        StorageError, match=rf"{HISTORY_FILE}:2: damaged \(\w+: .*begins anew where its directory is deleted$"
    ):
        read_history(path)


def test_a_trial_does_not_go_on_without_the_epochs_that_its_checkpoint_knows(tmp_path):
    for epoch in (1, 2, 3):
        History(tmp_path).append(report(epoch))
    History(tmp_path).require_epochs(3)
    path = tmp_path / HISTORY_FILE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(StorageError, match=rf"{HISTORY_FILE}: epoch 1 is missing.* delete {tmp_path} and run the same"):
        History(tmp_path).require_epochs(3)


def test_no_history_is_none_yet_and_one_that_cannot_be_read_is_named(tmp_path):
    assert read_history(tmp_path / HISTORY_FILE) == []
    (tmp_path / HISTORY_FILE).mkdir()
    with pytest.raises(StorageError, match=f"{HISTORY_FILE}: cannot be read: Is a directory"):
        read_history(tmp_path / HISTORY_FILE)


def test_the_line_of_an_epoch_shows_the_metrics_that_it_has_and_needs_none_of_them():
    metrics = {
        "train/loss": 1.0,
        "valid/loss": 2.0,
        "valid/chrf": 30.0,
        "valid/accuracy": 62.5,
        "gpu/count": 0.0,
        "time/epoch_s": 4.0,
        "throughput/target_tokens_per_s": 1000.0,
        "cpu/memory_avg_mib": 5.0,
        "cpu/memory_peak_mib": 6.0,
    }
    line = report_line(Report(1, 10, 100, 0, metrics), [Bleu(), ChrF(), Accuracy()])
    assert "  valid loss 2.000  chrF 30.00  accuracy 62.50 %  epoch time" in line
    both = report_line(Report(1, 10, 100, 0, {**metrics, "valid/bleu": 20.0}), [Bleu(), ChrF()])
    assert "  valid loss 2.000  BLEU 20.00  chrF 30.00  epoch time" in both
    del metrics["valid/loss"]
    without = report_line(Report(1, 10, 100, 0, metrics), [Accuracy()])
    assert "  loss 1.000  accuracy 62.50 %  epoch time" in without
