"""bf16 is suggested where its updates are measured to be faster by more than a fifth, and nowhere else."""

from dataclasses import replace

import pytest
import torch
from conftest import tiny_data, write_tiny_corpus

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.preparation import prepare
from intelligen.sweep.preflight import bf16_suggestion as suggestions
from intelligen.training.timing import Bench, TimeRange

SMALL = Seq2Seq(d_model=16, d_ff=32, heads=2, encoder_layers=1, decoder_layers=1, max_positions=64)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, Bench]:
    place = tmp_path_factory.mktemp("bf16")
    write_tiny_corpus(place)
    experiment = Experiment(version=1, name="e", data=tiny_data(place), model=SMALL)
    prepared = prepare(experiment.data, place / "runs", columns=SOURCE_AND_TARGET)
    return baseline_trial(experiment, prepared=prepared.identity), Bench(prepared, torch.device("cpu"), 1, None)


@pytest.mark.parametrize(("seconds", "said"), [(5.0, "at least 2.0 times as fast"), (8.4, None), (20.0, None)])
def test_what_is_measured_decides(
    found: tuple[Trial, Bench], monkeypatch: pytest.MonkeyPatch, seconds: float, said: str | None
) -> None:
    asked: list[str] = []

    def timed(trial: Trial, bench: Bench) -> TimeRange:
        asked.append(trial.training.precision)
        return TimeRange(0.9 * seconds, seconds)

    monkeypatch.setattr(suggestions, "time_epoch", timed)
    monkeypatch.setattr(suggestions, "has_bf16_products", lambda: True)
    line = suggestions.bf16_suggestion(*found, TimeRange(10.0, 11.0))
    assert asked == ["bf16"]
    assert line is None if said is None else said in (line or "")


def test_nothing_is_timed_where_it_cannot_be_faster(
    found: tuple[Trial, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, bench = found
    monkeypatch.setattr(suggestions, "time_epoch", lambda *_: pytest.fail("it was timed"))
    monkeypatch.setattr(suggestions, "has_bf16_products", lambda: False)
    assert suggestions.bf16_suggestion(trial, bench, TimeRange(10.0, 11.0)) is None
    monkeypatch.setattr(suggestions, "has_bf16_products", lambda: True)
    already = trial.model_copy(update={"training": trial.training.model_copy(update={"precision": "bf16"})})
    assert suggestions.bf16_suggestion(already, bench, TimeRange(10.0, 11.0)) is None
    on_gpu = replace(bench, device=torch.device("cuda"))
    assert suggestions.bf16_suggestion(trial, on_gpu, TimeRange(10.0, 11.0)) is None


def test_an_update_in_bf16_is_really_timed(found: tuple[Trial, Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "has_bf16_products", lambda: True)
    line = suggestions.bf16_suggestion(*found, TimeRange(1e6, 1e6))
    assert "times as fast here as fp32" in (line or "")
