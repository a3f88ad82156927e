"""The plain progress shows every epoch and every end once, also those of a trial that begins again."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text
from small_study import SmallStudy

from intelligen.config.load import apply_settings
from intelligen.config.schema.experiment import finetuning_trial
from intelligen.config.schema.tasks import Translation
from intelligen.reporting.terminal.live_progress import LiveProgress
from intelligen.state.history import HISTORY_FILE, History, Report
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.tasks import build_task

TASK = build_task(Translation())
METRICS = {
    "gpu/count": 0.0,
    "train/loss": 1.0,
    "valid/loss": 1.0,
    "valid/bleu": 10.0,
    "valid/chrf": 20.0,
    "time/epoch_s": 1.0,
    "time/validation_s": 1.0,
    "throughput/target_tokens_per_s": 100.0,
    "cpu/memory_avg_mib": 1.0,
    "cpu/memory_peak_mib": 1.0,
}


def add_epoch(
    directory: Path, epoch: int, *, chrf: float = 20.0, bleu: float = 10.0, tags: Mapping[str, str] = {}
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    metrics = {**METRICS, "valid/chrf": chrf, "valid/bleu": bleu}
    report = Report(epoch=epoch, update=epoch, target_tokens=9, time_ms=epoch, metrics=metrics, tags=tags)
    History(directory).append(report)


@contextmanager
def followed(directory: Path, output: io.StringIO) -> Iterator[tuple[Ledger, LiveProgress]]:
    console = Console(file=output)
    with (
        Ledger.open(directory, {}) as ledger,
        LiveProgress(
            directory, metrics=TASK.metrics, objective="valid/bleu", console=console, interval_s=60
        ) as progress,
    ):
        yield ledger, progress


def test_every_epoch_and_every_end_is_reported_once(tmp_path):
    output = io.StringIO()
    trial = tmp_path / "trials" / "t0000"
    with followed(tmp_path, output) as (ledger, progress):
        ledger.start(
            "t0000", kind="trial", row="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
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
        ledger.finish("t0000", TrialState.COMPLETE, "finished")
    shown = [line.split("  ")[1] for line in output.getvalue().splitlines()]
    assert shown == ["begins", "epoch 1", "epoch 2", "failed: it broke", "epoch 3", "complete: finished"]


def test_the_weights_that_a_trial_starts_from_are_named_once(tmp_path):
    output, loaded = (
        io.StringIO(),
        {"initial_weights": "lm, epoch 4 (0123): 9 loaded; 2 random; none left over"},
    )
    trial = tmp_path / "trials" / "t0000"
    with followed(tmp_path, output) as (ledger, progress):
        ledger.start(
            "t0000", kind="trial", row="wide", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        for epoch in (1, 2):
            add_epoch(trial, epoch, tags=loaded)
            progress._look()
    lines = output.getvalue().splitlines()
    assert lines[0] == "t0000 wide  starts from lm, epoch 4 (0123): 9 loaded; 2 random; none left over"
    assert sum("starts from" in line for line in lines) == 1


def test_a_damaged_history_is_reported_once_and_ends_nothing(tmp_path):
    output = io.StringIO()
    trial = tmp_path / "trials" / "t0000"
    with followed(tmp_path, output) as (ledger, progress):
        ledger.start(
            "t0000", kind="trial", row="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        add_epoch(trial, 1)
        whole = (trial / HISTORY_FILE).read_text()
        (trial / HISTORY_FILE).write_text("{]\n")
        progress._look()
        progress._look()
        (trial / HISTORY_FILE).write_text(whole)
    shown = output.getvalue().splitlines()
    assert len(shown) == 3, shown
    assert f"t0000/{HISTORY_FILE}:1: damaged" in shown[0]
    assert "epoch 1" in shown[2]


def test_a_terminal_shows_the_objective_and_the_best_of_the_trials_that_have_not_failed(tmp_path):
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with (
        Ledger.open(tmp_path, {}) as ledger,
        LiveProgress(tmp_path, metrics=TASK.metrics, objective="valid/chrf", console=console, interval_s=60),
    ):
        for name, state, chrf in (("t0000", TrialState.FAILED, 80.0), ("t0001", TrialState.COMPLETE, 20.0)):
            ledger.start(
                name,
                kind="trial",
                row="standard",
                seed=1,
                params={},
                config={},
                directory=name,
                number=int(name[1:]),
            )
            add_epoch(tmp_path / name, 1, chrf=chrf)
            ledger.finish(name, state, "it ended")
    shown = Text.from_ansi(output.getvalue()).plain
    assert "1 failed  best valid/chrf so far 20.00 (t0001)" in shown
    for name, chrf in (("t0000", "80.00"), ("t0001", "20.00")):
        (row,) = (line for line in shown.splitlines() if name in line and "best" not in line)
        assert row.count(chrf) == 2
    assert "BLEU" not in shown


def test_a_best_of_zero_is_shown(tmp_path):
    output = io.StringIO()
    with followed(tmp_path, output) as (ledger, _):
        ledger.start("t0000", kind="trial", row="wide", seed=1, params={}, config={}, directory="t0000", number=0)
        add_epoch(tmp_path / "t0000", 1, bleu=0.0)
    assert "best valid/bleu so far 0.00 (t0000)" in output.getvalue()


def test_lines_in_a_pipe_say_place_settings_best_memory_once_and_what_a_stop_was_compared_with(tmp_path):
    files, output = SmallStudy(tmp_path / "runs", confirm=False), io.StringIO()
    sweep, experiment = files.settings()
    fingerprint = sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))
    Ledger.open(files.directory, fingerprint).close()
    settings = apply_settings(experiment, {"finetuning.optimizer.learning_rate": 4.2e-4})
    config = finetuning_trial(settings, prepared="0123456789abcdef", start="x").model_dump(mode="json")
    with followed(files.directory, output) as (ledger, progress):
        for number, bleu in enumerate((36.1, 33.2)):
            name = f"t000{number}"
            where = {"directory": f"trials/{name}", "number": number}
            ledger.start(name, kind="trial", row="standard", seed=1, params={}, config=config, **where)
            progress._look()
            for epoch in (1, 2):
                add_epoch(files.directory / "trials" / name, epoch, bleu=bleu)
            progress._look()
            state = (TrialState.COMPLETE, TrialState.PRUNED)[number]
            ledger.finish(name, state, ("finished", "stopped by the scheduler after epoch 2")[number])
            progress._look()
        again = {"directory": "confirm/standard-s2", "number": None, "confirms": "t0000"}
        ledger.start("standard-s2", kind="confirm", row="standard", seed=2, params={}, config=config, **again)
        add_epoch(files.directory / "confirm" / "standard-s2", 1, bleu=35.0)
        progress._look()
        ledger.finish("standard-s2", TrialState.COMPLETE, "finished")
        progress._look()
    lines = output.getvalue().splitlines()
    assert "BLEU 35.00" in lines[9]
    assert "so far" not in lines[9], "the search's best is no score of a confirmation"
    assert "  2 of 12 trials ended, " in lines[10]
    assert lines[4] == "t0001 standard  begins, trial 2 of 12: learning_rate 0.00042"
    assert lines[5].endswith("  best valid/bleu so far 36.10 (t0000)  [learning_rate 0.00042]")
    assert sum("memory" in line for line in lines) == 3
    assert lines[7].startswith("t0001 standard  pruned: stopped by the scheduler after epoch 2")
    assert (
        "  valid/bleu 33.20 is number 2 of 2, of which asha keeps 1 in 2; the best is 36.10 (t0000)"
        "  cpu memory avg 1 max 1 MiB  2 of 12 trials ended, " in lines[7]
    )
    assert lines[7].endswith(" left")
