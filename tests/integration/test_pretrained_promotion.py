"""A promoted model that began as a pre-trained one carries all that it needs, and MLflow says what it began as."""

import json
from pathlib import Path

import mlflow
import pytest
import torch
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from pretrained_models import make_pretrained

from intelligen.config.load import load_sweep
from intelligen.config.schema.experiment import baseline_trial
from intelligen.data.preparation import prepare
from intelligen.state import layout
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.trial_records import TrialState
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.tracking.model_registry import register
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel
from intelligen.training.translate import translate

pytestmark = [pytest.mark.extended, pytest.mark.slow]
OWN = "model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}"
SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
space: {strategy: {choice: [standard, recurrent]}}
budget: {trials: 2}
"""


@pytest.mark.parametrize("lora", ["", ", lora: {rank: 2}"], ids=["all weights", "an adapter"])
def test_a_promoted_model_needs_no_directory_and_its_runs_name_it(lora: str, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=100, held_out=8)
    sentences = [line for side in ("en", "de") for line in (tmp_path / f"corpus/train.{side}").read_text().splitlines()]
    make_pretrained("t5", tmp_path / "model", sentences=sentences)
    text = TINY_EXPERIMENT.replace(OWN, f"model: {{name: pretrained, path: model{lora}}}")
    text = text.replace("{vocabulary: 90}", "{name: pretrained}").replace("max_tokens: 40", "max_tokens: 60")
    (tmp_path / "experiment.yaml").write_text(text.replace("epochs: 2\n  epoch_updates: 20", "epochs: 0"))
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    sweep, experiment = load_sweep(tmp_path / "sweep.yaml")
    store = tmp_path / "runs"
    data = DataOfRows(prepare(experiment.data, store, columns=experiment.task.columns).identity)
    trial = baseline_trial(experiment, prepared=data.shared)
    fit(trial, Runtime(store, baseline := layout.baseline(store, trial.identity)))
    directory = layout.sweep(store, "tiny")
    with Ledger.open(directory, sweep_fingerprint(sweep, experiment, data=data)) as ledger:
        context = SweepContext(sweep, experiment, data, store, directory, ledger)
        context.begin("baseline-1", trial, baseline, kind="baseline")
        ledger.finish("baseline-1", TrialState.COMPLETE, "finished")
    trained = TrainedModel.load(baseline, store=store, device=torch.device("cpu"))
    expected = translate(trained, ["ape bee", "cat"], search=trial.decoding.test)

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (record,) = read_ledger(directory)[1].values()
    promoted = register(record, directory=directory, tracking_uri=uri, name="tiny", alias="champion")
    (tmp_path / "model").rename(tmp_path / "away")
    mlflow.set_tracking_uri(uri)
    assert mlflow.pyfunc.load_model(promoted.uri).predict(["ape bee", "cat"]) == expected
    needed = Path(mlflow.artifacts.download_artifacts(f"{promoted.uri}/requirements.txt")).read_text()
    assert ("transformers==" in needed, "peft==" in needed) == (True, bool(lora))
    client = mlflow.MlflowClient(uri)
    run = client.get_run(promoted.run_id)
    for tags in (run.data.tags, client.get_run(run.data.tags["mlflow.parentRunId"]).data.tags):
        assert tags["pretrained"] == str(tmp_path / "model")
        assert "model.safetensors" in json.loads(tags["pretrained/sha256"])
