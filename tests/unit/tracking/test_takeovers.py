"""A trial of a population trained with a schedule, and is shown so: by epoch, never as a single value."""

import csv
import io
import json
from pathlib import Path

import pytest

from intelligen.analysis.leaderboard import LeaderboardEntry, leaderboard_csv
from intelligen.errors import StorageError
from intelligen.state.history import Report
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.trial_records import Exploit, TrialRecord
from intelligen.tracking.mlflow_mapping import known_reports, report_metrics, trial_ending, trial_tags

RATE, DROP = "finetuning.optimizer.learning_rate", "r_drop"
FIRST = Exploit(2, "t0001", {RATE: 0.5, DROP: 1.0, "strategy": "standard"})
SECOND = Exploit(6, "t0002", {RATE: 0.25, DROP: 1.0, "strategy": "standard"})


@pytest.fixture
def record(tmp_path: Path) -> TrialRecord:
    """A trial that trained with 0.1 for two epochs, with 0.5 for four and with 0.25 from then on."""
    with Ledger.open(tmp_path, {"sweep_id": "0"}) as ledger:
        ledger.start(
            "t0000",
            kind="trial",
            strategy="standard",
            seed=1,
            params={RATE: 0.1, DROP: 1.0, "strategy": "standard"},
            config={},
            directory="t0000",
            number=0,
            turn_epochs=2,
        )
        for epoch, takeovers in ((2, {"t0000": FIRST}), (4, {}), (6, {"t0000": SECOND})):
            ledger.end_interval(epoch, ["t0000"], takeovers)
    return read_ledger(tmp_path)[1]["t0000"]


def report(epoch: int) -> Report:
    return Report(epoch=epoch, update=10 * epoch, target_tokens=1, time_ms=1, metrics={"valid/bleu": 1.0})


def test_the_ledger_says_which_values_were_exploited_and_when(record):
    assert record.takeovers == (FIRST, SECOND)
    assert record.turn_epoch == 6
    assert [record.params_in(epoch)[RATE] for epoch in range(1, 9)] == [0.1] * 2 + [0.5] * 4 + [0.25] * 2


def test_an_interval_of_unknown_trials_is_damage(tmp_path, record):
    line = {"seq": 5, "time_ms": 1, "event": "turn", "epoch": 8, "trials": ["t0009"], "takeovers": {}}
    with (tmp_path / LEDGER_FILE).open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(StorageError, match=f"{LEDGER_FILE}:6: damaged"):
        read_ledger(tmp_path)


def test_metrics_hold_the_values_of_their_epoch(record):
    shown = [report_metrics(record, report(epoch)) for epoch in (2, 3, 7)]
    assert [metrics[f"pbt/{RATE}"] for metrics in shown] == [0.1, 0.5, 0.25]
    assert {metrics[f"pbt/{DROP}"] for metrics in shown} == {1.0}
    assert "pbt/strategy" not in shown[0]


def test_an_epoch_is_not_shown_before_it_is_known_what_it_trained_with(record):
    # The ledger was read before the decision after epoch 8, the history after the epoch that followed it.
    assert [one.epoch for one in known_reports(record, [report(7), report(8), report(9)])] == [7, 8]


def test_a_tag_lists_each_exploit(record):
    assert trial_tags(record, [], ending=trial_ending(record, None))["takeovers"] == (
        f"after epoch 2 from t0001: {RATE} 0.5, {DROP} 1.0, strategy standard;"
        f" after epoch 6 from t0002: {RATE} 0.25, {DROP} 1.0, strategy standard"
    )


def test_the_leaderboard_s_table_shows_a_schedule_where_a_value_changed(record):
    assert record.schedule() == {RATE: "0.1; from epoch 3: 0.5; from epoch 7: 0.25", DROP: 1.0, "strategy": "standard"}
    table = leaderboard_csv([LeaderboardEntry(record, 1.0, 8, 1.0)], metric="valid/bleu", scores=("bleu",))
    (row,) = csv.DictReader(io.StringIO(table))
    assert row[RATE] == "0.1; from epoch 3: 0.5; from epoch 7: 0.25"
