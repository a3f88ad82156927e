"""A sweep from a pre-trained model knows which one: it resumes wherever the files lie, and over no other files."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from pretrained_models import make_pretrained
from safetensors.torch import load_file, save_file

from intelligen.config.load import load_sweep
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError, DataError
from intelligen.state import layout
from intelligen.state.launch_file import write_launch
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.trial_integrity import require_settings
from intelligen.state.trial_result import claim_directory
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.launch_request import request_of_directory
from intelligen.sweep.preflight.verify_files import require_pretrained
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.tracking.mlflow_mapping import pretrained_tags

OWN = "model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}"
SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
space: {strategy: {choice: [standard, recurrent]}}
budget: {trials: 2}
"""
WEIGHTS = "model.safetensors"


class Project:
    """A sweep from a tiny GPT-2, of which the baseline has begun."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, root / "runs"
        (root / "corpus").mkdir()
        write_tiny_corpus(root / "corpus", train=20, held_out=4)
        make_pretrained("gpt2", root / "model")
        (root / "model" / "README.md").write_text("---\nlicense: mit\n---\nA tiny model.\n")
        (root / "sweep.yaml").write_text(SWEEP)
        sweep, experiment = self.settings()
        with Ledger.open(self.directory, self.fingerprint(sweep, experiment)) as ledger:
            write_launch(self.directory, sweep, tracking_uri="sqlite:////nowhere/mlflow.db")
            SweepContext(sweep, experiment, DataOfRows("0"), self.store, self.directory, ledger).begin(
                "baseline-1", baseline_trial(experiment, prepared="0"), self.directory / "first", kind="baseline"
            )

    @property
    def directory(self) -> Path:
        return layout.sweep(self.store, "tiny")

    def settings(self, path: str = "model", seed: int = 1) -> tuple[Sweep, Experiment]:
        text = TINY_EXPERIMENT.replace(OWN, f"model: {{name: pretrained, path: {path}}}\nseed: {seed}")
        (self.root / "experiment.yaml").write_text(text.replace("{vocabulary: 90}", "{name: pretrained}"))
        return load_sweep(self.root / "sweep.yaml")

    def fingerprint(self, sweep: Sweep, experiment: Experiment) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(sweep_fingerprint(sweep, experiment, data=DataOfRows("0"))))
        return found

    def require_unchanged(self, path: str, **settings: int) -> None:
        now = self.fingerprint(*self.settings(path, **settings))
        require_unchanged(read_ledger(self.directory)[0], now, self.directory)

    def resume(self) -> Experiment:
        """As `intelligen resume` looks at it before a trial runs."""
        request = request_of_directory(self.directory, (), tracking_uri=None)
        self.launch(request.sweep, request.experiment)
        return request.experiment

    def launch(self, sweep: Sweep, experiment: Experiment) -> None:
        """Look at the models, as a launch does before a trial runs."""
        with Ledger.open(self.directory, {}) as ledger:
            require_pretrained(SweepContext(sweep, experiment, DataOfRows("0"), self.store, self.directory, ledger))

    def change_weights(self) -> None:
        weights = load_file(self.root / "model" / WEIGHTS)
        save_file({name: tensor + 1 for name, tensor in weights.items()}, self.root / "model" / WEIGHTS)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_its_ledger_has_the_model_s_place_and_the_hashes_of_its_files_and_resumes_from_them(project: Project) -> None:
    model = project.resume().model
    assert isinstance(model, Pretrained)
    assert model.path == str(project.root / "model")
    assert len(model.found.sha256[WEIGHTS]) == 64
    assert model.found.licence == "mit"
    assert project.resume() == project.settings()[1]


def test_a_directory_that_was_moved_is_the_same_model_and_changed_settings_are_still_refused(project: Project) -> None:
    (project.root / "model").rename(project.root / "moved")
    project.require_unchanged("moved")
    project.launch(*project.settings("moved"))
    with pytest.raises(ChangedError, match=r"experiment\.seed: 1 → 2"):
        project.require_unchanged("moved", seed=2)


def test_weights_that_were_changed_are_refused_by_the_file_and_by_the_directory(project: Project) -> None:
    project.change_weights()
    with pytest.raises(ChangedError, match=r"experiment\.model\.resolved\.files: '\w+' → '\w+'"):
        project.require_unchanged("model")
    line = rf"model\.path: the files in \S+/model have changed since \({WEIGHTS}\); restore them, or train again"
    with pytest.raises(ChangedError, match=line) as caught:
        project.resume()
    assert caught.value.exit_code == 78


def test_where_the_model_is_gone_the_fix_that_the_message_names_works(project: Project) -> None:
    (project.root / "model").rename(project.root / "moved")
    with pytest.raises(DataError, match="the pre-trained model is gone from") as caught:
        project.resume()
    command = str(caught.value).partition("where it is now: ")[2]
    subprocess.run(command.replace("DIRECTORY", str(project.root / "moved")), shell=True, check=True)  # noqa: S602
    project.resume()


def test_a_trial_s_directory_may_name_another_place_than_the_ledger(project: Project) -> None:
    shutil.copytree(project.root / "model", project.root / "copy")
    there = baseline_trial(project.settings("copy")[1], prepared="0")
    claim_directory(project.directory / "first", there)
    (record,) = read_ledger(project.directory)[1].values()
    require_settings(record, project.directory / "first")
    assert Trial.model_validate_json(json.dumps(record.config)).identity == there.identity


def test_mlflow_s_tags_say_which_model(project: Project) -> None:
    (record,) = read_ledger(project.directory)[1].values()
    tags = pretrained_tags(record.config)
    assert tags["pretrained"] == str(project.root / "model")
    assert tags["pretrained/licence"] == "mit"
    assert len(json.loads(tags["pretrained/sha256"])[WEIGHTS]) == 64
    assert tags == pretrained_tags(read_ledger(project.directory)[0]["experiment"]) | {"pretrained": tags["pretrained"]}
    assert pretrained_tags({"model": {"name": "seq2seq"}}) == pretrained_tags({}) == {}
