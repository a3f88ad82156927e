"""`fit`: resumed runs equal undisturbed ones, the history holds every epoch once, selection is by validation."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from safetensors.torch import load_file

from intelligen.config.schema.decoding import Decoding, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import Discriminator, SeqGan
from intelligen.config.schema.stages_after_search import Confirmation
from intelligen.config.schema.training import Optimizer
from intelligen.errors import ChangedError
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_result import SELECTED, read_result, read_trial
from intelligen.training.checkpoint import Checkpoints
from intelligen.training.divergence import DivergedError
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.selected_weights import selected_weights

HALTING = """
import os, signal, sys
from pathlib import Path
import torch
from intelligen.config.schema.decoding import Decoding, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
torch.set_num_threads(1)
store, directory, halt = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
def updated(update, total):
    if update == halt:
        os.kill(os.getpid(), signal.SIGKILL)
trial = Trial.model_validate_json((directory / "trial-to-run.json").read_text())
fit(trial, Runtime(store, directory, updated=updated))
"""


def with_training(trial: Trial, **changes: object) -> Trial:
    return trial.model_copy(update={"training": trial.training.model_copy(update=changes)})


def run(trial: Trial, store: Path, directory: Path) -> dict[str, torch.Tensor]:
    fit(trial, Runtime(store, directory))
    return load_file(directory / SELECTED)


def comparable(report: Report) -> tuple:
    """A report without what the clock and the machine write into it."""
    measured = ("time/", "throughput/", "cost/", "cpu/", "gpu/")
    metrics = {name: value for name, value in report.metrics.items() if not name.startswith(measured)}
    return report.epoch, report.update, report.target_tokens, metrics, report.samples


@pytest.mark.parametrize(
    ("halt", "changes"),
    [(3, {}), (5, {"batch_tokens": None, "batch_rows": 12}), (6, {}), (8, {"precision": "fp16"}), (11, {})],
)
def test_a_killed_run_ends_with_the_same_weights_and_history(halt, changes, tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(
        tiny_trial(identity, strategy=Generative(probability=ProbabilitySchedule(start=0.5))),
        checkpoint_updates=4,
        **changes,
    )
    undisturbed = run(trial, store, tmp_path / "undisturbed")

    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "trial-to-run.json").write_text(trial.model_dump_json())
    process = subprocess.run([sys.executable, "-c", HALTING, store, killed, str(halt)], env=os.environ, check=False)
    assert process.returncode == -signal.SIGKILL
    resumed = run(trial, store, killed)

    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    first, second = (read_history(tmp_path / name / HISTORY_FILE) for name in ("undisturbed", "killed"))
    assert [comparable(report) for report in first] == [comparable(report) for report in second]


def test_a_report_that_a_kill_kept_out_of_the_history_comes_from_the_checkpoint(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = tiny_trial(identity)

    def stop(report: Report) -> None:
        if report.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path / "t", report=stop))
    path = tmp_path / "t" / HISTORY_FILE
    (first,) = read_history(path)
    path.write_text("")
    fit(trial, Runtime(store, tmp_path / "t"))
    assert read_history(path)[0] == first
    assert [report.epoch for report in read_history(path)] == [1, 2]


def test_a_report_is_sent_again_where_training_goes_on_at_its_epoch_s_end_and_nowhere_else(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), checkpoint_updates=2)
    resumed_reports: list[Report] = []

    def halt(update: int, total: int) -> None:
        if update == 9:
            raise KeyboardInterrupt

    for interruption in ({"report": _interrupt}, {"updated": halt}, {}):
        with contextlib.suppress(KeyboardInterrupt):
            fit(trial, Runtime(store, tmp_path / "t", resumed=resumed_reports.append, **interruption))
    assert resumed_reports == read_history(tmp_path / "t" / HISTORY_FILE)[:1]


def test_a_finished_trial_is_not_run_again(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = tiny_trial(identity)
    result = fit(trial, Runtime(store, tmp_path / "t"))

    def never(update: int, total: int) -> None:
        raise AssertionError("an update was made")

    assert fit(trial, Runtime(store, tmp_path / "t", updated=never)) == result == read_result(tmp_path / "t")


def test_another_trial_cannot_claim_a_directory(tiny_store, tmp_path):
    store, identity = tiny_store
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_trial(identity), Runtime(store, tmp_path / "t", report=_interrupt))
    with pytest.raises(ChangedError, match="other settings"):
        fit(tiny_trial(identity, seed=2), Runtime(store, tmp_path / "t"))


def _interrupt(report: Report) -> None:
    raise KeyboardInterrupt


def test_the_selected_weights_are_those_that_validate_best(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), epochs=4, average_last=2)
    result = fit(trial, Runtime(store, tmp_path / "t"))
    reports = read_history(tmp_path / "t" / HISTORY_FILE)
    assert result.metrics["valid/loss"] <= min(report.metrics["valid/loss"] for report in reports) + 1e-6


def test_what_is_averaged_is_the_last_epochs_the_newest_of_all_among_them(tiny_store, tmp_path):
    store, identity = tiny_store
    # A rate at which the weights jump about their goal, so that their mean is nearer to it than any of them.
    jumping = {"epochs": 4, "epoch_updates": 12, "optimizer": Optimizer(learning_rate=2e-2)}
    result = fit(with_training(tiny_trial(identity), average_last=3, **jumping), Runtime(store, tmp_path / "t"))
    assert result.selected == "average of the last 3 epochs"
    last = [load_file(Checkpoints(tmp_path / "t").weights(update)) for update in (24, 36, 48)]
    for name, weight in load_file(tmp_path / "t" / SELECTED).items():
        torch.testing.assert_close(weight, torch.stack([one[name] for one in last]).mean(dim=0), rtol=0, atol=1e-6)


def test_training_learns_the_tiny_language(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), epochs=12, epoch_updates=30)
    result = fit(trial, Runtime(store, tmp_path / "t"))
    assert result.metrics["valid/bleu"] > 60
    assert result.metrics["valid/loss"] < 0.6


def test_the_seeds_that_confirm_the_largest_one_train_and_draw(tiny_store, tmp_path):
    store, identity = tiny_store
    (seed, *_) = Confirmation().after(2**31 - 1)
    drawn = Generative(probability=ProbabilitySchedule(start=1.0), temperature=1.0)
    trial = tiny_trial(identity, seed=seed, strategy=drawn, decoding=Decoding(validation=Sample()))
    fit(with_training(trial, epochs=1), Runtime(store, tmp_path / "t"))
    assert read_trial(tmp_path / "t").seed == 2**31


def test_patience_ends_a_run_that_no_longer_gains(tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(tiny_trial(identity), epochs=10, patience=2, optimizer=Optimizer(learning_rate=1e-12))
    trial = trial.model_copy(update={"task": trial.task.model_copy(update={"selection_metric": "valid/bleu"})})
    result = fit(trial, Runtime(store, tmp_path / "t"))
    assert "2 epochs" in result.stop_reason
    assert len(read_history(tmp_path / "t" / HISTORY_FILE)) == 3


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_divergence_is_named_and_not_selected_in_every_precision(precision, tiny_store, tmp_path):
    store, identity = tiny_store
    trial = with_training(
        tiny_trial(identity), precision=precision, optimizer=Optimizer(learning_rate=1e30, clip_norm=None)
    )
    with pytest.raises(DivergedError, match="lower the learning rate"):
        fit(trial, Runtime(store, tmp_path / "t"))
    assert read_result(tmp_path / "t") is None
    assert read_history(tmp_path / "t" / HISTORY_FILE) == []


def test_weights_that_fp16_can_no_longer_update_are_not_selected(tiny_store, tmp_path):
    store, identity = tiny_store
    # Finite weights, finite in fp32: what they compute in fp16 is not.
    trial = with_training(tiny_trial(identity), precision="fp16", optimizer=Optimizer(learning_rate=5e4))
    with pytest.raises(DivergedError, match=r"diverged: .* by update 6; lower the learning rate"):
        fit(trial, Runtime(store, tmp_path / "t"))
    assert read_result(tmp_path / "t") is None


def test_fp16_trains_as_fp32_does_and_all_that_it_reports_is_finite(tiny_store, tmp_path):
    store, identity = tiny_store
    losses = {}
    for precision in ("fp32", "fp16"):
        trial = with_training(tiny_trial(identity), precision=precision, checkpoint_updates=4)
        losses[precision] = fit(trial, Runtime(store, tmp_path / precision)).metrics["valid/loss"]
        for report in read_history(tmp_path / precision / HISTORY_FILE):
            assert [name for name, value in report.metrics.items() if not math.isfinite(value)] == []
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_a_discriminator_that_diverges_ends_its_trial_in_every_precision(tiny_store, tmp_path):
    store, identity = tiny_store
    for precision in ("fp32", "fp16"):
        strategy = SeqGan(discriminator=Discriminator(learning_rate=1e30, pretraining_updates=6))
        trial = with_training(tiny_trial(identity, strategy=strategy), precision=precision)
        with pytest.raises(DivergedError, match="discriminator"):
            fit(trial, Runtime(store, tmp_path / precision))


def test_a_stopped_trial_offers_its_best_epoch(tiny_store, tmp_path):
    store, identity = tiny_store
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_trial(identity), Runtime(store, tmp_path / "t", report=_interrupt))
    meta = json.loads((selected_weights(tmp_path / "t").parent / "meta.json").read_text())
    assert meta["best_update"] == meta["update"] == 6


def test_memory_and_time_are_measured(tiny_store, tmp_path):
    store, identity = tiny_store
    fit(tiny_trial(identity), Runtime(store, tmp_path / "t"))
    for report in read_history(tmp_path / "t" / HISTORY_FILE):
        metrics = report.metrics
        assert 0 < metrics["cpu/memory_avg_mib"] <= metrics["cpu/memory_peak_mib"]
        assert metrics["time/epoch_s"] > 0
        assert metrics["throughput/target_tokens_per_s"] > 0
        assert metrics["gpu/count"] == 0
        assert report.tags["bleu_signature"].startswith("nrefs:1|")
