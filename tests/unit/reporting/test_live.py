"""The plain progress tells every epoch and every end once, also those of a trial that begins again."""

import io
from pathlib import Path

from rich.console import Console

from intelligen.reporting.live import LiveProgress
from intelligen.tracking.ledger import Ledger
from intelligen.tracking.records import TrialState
from intelligen.training.history import HISTORY_FILE, History, Report

METRICS = {
    "gpu/count": 0.0,
    "train/loss": 1.0,
    "valid/loss": 1.0,
    "valid/bleu": 10.0,
    "valid/chrf": 20.0,
    "time/epoch_s": 1.0,
    "throughput/target_tokens_per_s": 100.0,
    "cpu/memory_avg_mib": 1.0,
    "cpu/memory_peak_mib": 1.0,
}


def add_epoch(directory: Path, epoch: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    History(directory).append(Report(epoch=epoch, update=epoch, target_tokens=9, time_ms=epoch, metrics=METRICS))


def test_every_epoch_and_every_end_is_told_once(tmp_path):
    output = io.StringIO()
    trial = tmp_path / "trials" / "t0000"
    with (
        Ledger.open(tmp_path, {}) as ledger,
        LiveProgress(tmp_path, objective="valid/bleu", console=Console(file=output), interval_s=60) as progress,
    ):
        ledger.start(
            "t0000", kind="trial", strategy="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        progress._look()
        add_epoch(trial, 1)
        progress._look()
        progress._look()
        add_epoch(trial, 2)
        ledger.finish("t0000", TrialState.FAILED, "it broke")
        progress._look()
        ledger.restart("t0000")
        progress._look()
        add_epoch(trial, 3)
        ledger.finish("t0000", TrialState.COMPLETE, "ran its course")
    told = [line.split("  ")[1] for line in output.getvalue().splitlines()]
    assert told == ["epoch 1", "epoch 2", "failed: it broke", "epoch 3", "complete: ran its course"]


def test_a_damaged_history_is_told_once_and_ends_nothing(tmp_path):
    output = io.StringIO()
    trial = tmp_path / "trials" / "t0000"
    with (
        Ledger.open(tmp_path, {}) as ledger,
        LiveProgress(tmp_path, objective="valid/bleu", console=Console(file=output), interval_s=60) as progress,
    ):
        ledger.start(
            "t0000", kind="trial", strategy="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        add_epoch(trial, 1)
        whole = (trial / HISTORY_FILE).read_text()
        (trial / HISTORY_FILE).write_text("{]\n")
        progress._look()
        progress._look()
        (trial / HISTORY_FILE).write_text(whole)
    told = output.getvalue().splitlines()
    assert len(told) == 2, told
    assert f"t0000/{HISTORY_FILE}:1: damaged" in told[0]
    assert "epoch 1" in told[1]
