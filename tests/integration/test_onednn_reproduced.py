"""A whole sweep whose products oneDNN computes is reproduced bit for bit, trial by trial, and oneDNN is really used."""

from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT
from test_sweep import SWEEP, Project
from torch import Tensor

import intelligen
from intelligen.models import matmul
from intelligen.training.matmul_choice import recorded_matmul

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extended,
    pytest.mark.skipif(not matmul.offers("onednn"), reason="this torch lacks oneDNN's operator"),
]

# 300 target tokens by 128 × 256: ten million multiplications, five times what is worth oneDNN's call.
WIDER = {
    "d_model: 32, d_ff: 64": "d_model: 128, d_ff: 256",
    "epochs: 4": "epochs: 2",
    "epoch_updates: 20": "epoch_updates: 6",
    "epoch_updates: 10": "epoch_updates: 4",
}


def test_every_trial_of_a_sweep_by_onednn_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, SWEEP.replace("trials_per_strategy: 3", "trials_per_strategy: 1"))
    experiment = TINY_EXPERIMENT + "compute: {matmul: onednn}\n"
    for narrow, wide in WIDER.items():
        experiment = experiment.replace(narrow, wide)
    (tmp_path / "experiment.yaml").write_text(experiment)
    code, output = project.run()
    assert code == 0, output
    products: list[int] = []
    by_onednn = matmul._onednn

    def counted(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        products.append(x.numel())
        return by_onednn(x, weight, bias)

    monkeypatch.setattr(matmul, "_onednn", counted)
    trials = project.trials()
    assert len(trials) == 3  # the baseline and a trial of each strategy
    for name, record in trials.items():
        assert recorded_matmul(record.within(project.sweep)) == "onednn"
        products.clear()
        replay = intelligen.reproduce("tiny", name, runs=tmp_path / "runs")
        assert (replay.identical, replay.recorded.changes) == (True, ())
        assert len(products) > 50
