"""A pre-trained model, from its directory to a fine-tuned one that `transformers` loads, by commands without Ray."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from pretrained_models import make_pretrained
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from intelligen.cli.main import commands
from intelligen.config.schema.decoding import Beam, ByLength, Greedy
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.errors import CannotCreateError, ChangedError, ConfigError, DataError
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.trial_result import read_result, read_trial
from intelligen.tracking.packed_model import TRIAL_FOLDER, pack
from intelligen.training.export_model import export_model
from intelligen.training.reproducibility_manifest import read_manifests
from intelligen.training.trained_model import TrainedModel
from intelligen.training.translate import translate

OWN = "model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}"


@dataclass
class Project:
    """A pre-trained model that is itself the baseline, and one that was fine-tuned from it."""

    root: Path
    directory: Path

    @property
    def experiment(self) -> str:
        return str(self.root / "experiment.yaml")

    @property
    def baseline(self) -> Path:
        (directory,) = (self.root / "runs" / "baselines").iterdir()
        return directory

    @property
    def finetuned(self) -> Path:
        (directory,) = (self.root / "runs" / "finetuned").iterdir()
        return directory

    def call(self, *words: str, typed: str = "") -> Result:
        arguments = [*words, "--runs", str(self.root / "runs")]
        return CliRunner().invoke(commands, arguments, input=typed, catch_exceptions=False)


@pytest.fixture(scope="module", params=["t5", "gpt2"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp(request.param)
    (root / "corpus").mkdir()
    write_tiny_corpus(root / "corpus", train=200, held_out=8)
    files = [root / "corpus" / f"train.{side}" for side in ("en", "de")]
    sentences = [line for file in files for line in file.read_text().splitlines()] + ["say: say: say:"] * 20
    made = Project(root, make_pretrained(request.param, root / "model", sentences=sentences))
    (root / "model" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    (root / "model" / "chat_template.jinja").write_text("{{ messages }}")
    lora = ", lora: {rank: 4}" if request.param == "gpt2" else ""
    text = TINY_EXPERIMENT.replace(OWN, f"model: {{name: pretrained, path: model{lora}}}")
    text = text.replace("{vocabulary: 90}", '{name: pretrained}\n  prompt: "say: {source}"')
    text = text.replace("max_tokens: 40", "max_tokens: 60").replace("epochs: 2\n  epoch_updates: 20", "epochs: 0")
    text = text.replace("epochs: 4\n  epoch_updates: 10", "epochs: 2\n  epoch_updates: 4")
    (root / "experiment.yaml").write_text(text)
    made.call("train", made.experiment)
    made.call("finetune", made.experiment, "--strategy", "recurrent")
    return made


def test_without_epochs_the_pretrained_model_itself_is_the_baseline(project: Project) -> None:
    result = read_result(project.baseline)
    assert result is not None
    assert result.selected == "the weights as they were loaded"
    assert {"valid/bleu", "valid/chrf", "valid/loss"} <= result.metrics.keys()
    assert "the weights as they were loaded; finished" in project.call("train", project.experiment).output


def test_it_is_fine_tuned_and_answers(project: Project) -> None:
    result = read_result(project.finetuned)
    assert result is not None
    assert result.selected.startswith("best of 2 epochs")
    again = project.call("finetune", project.experiment, "--strategy", "recurrent")
    assert read_result(project.finetuned) == result
    assert again.exit_code == 0
    assert "BLEU" in project.call("test", str(project.finetuned)).output
    answers = project.call("inference", str(project.finetuned), typed="ape bee\ncat\n").stdout.splitlines()
    assert len(answers) == 2


def test_an_exported_model_is_one_of_transformers(project: Project, tmp_path: Path) -> None:
    """Of the baseline, which nothing was trained of, every tensor is as it was."""
    project.call("test", str(project.finetuned))
    for run in (project.baseline, project.finetuned):
        assert project.call("export-model", str(run), str(tmp_path / run.name)).exit_code == 0
    base, same = (load_file(one / "model.safetensors") for one in (project.directory, tmp_path / project.baseline.name))
    assert base.keys() == same.keys()
    assert all(torch.equal(base[name], same[name]) for name in base)
    target = tmp_path / project.finetuned.name
    causal = json.loads((target / "config.json").read_text())["model_type"] == "gpt2"
    hf = (AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM).from_pretrained(target)
    assert hf.generation_config.num_beams > 1
    assert AutoTokenizer.from_pretrained(target)("ape bee")["input_ids"]
    assert AutoTokenizer.from_pretrained(target).chat_template == "{{ messages }}"
    assert any(not torch.equal(base[name], tensor) for name, tensor in load_file(target / "model.safetensors").items())
    card = (target / "README.md").read_text()
    assert "Strategy: recurrent" in card
    assert "| test | beam | bleu |" in card
    assert ("behind them the token 0, from which the answer goes on" in card) is causal
    assert "Licence of the base model, which applies to this one as well: cc-by-4.0." in card
    assert f"SHA-256 of model.safetensors: {sha256(project.directory / 'model.safetensors')}" in card
    assert hf.generation_config.max_new_tokens == 64


@pytest.mark.parametrize(("penalty", "theirs"), [(0.6, None), (0.0, 0.0), (ByLength(form="length", alpha=0.9), 0.9)])
def test_a_length_penalty_is_exported_where_it_is_the_same_and_named_elsewhere(
    penalty: float | ByLength, theirs: float | None, project: Project, tmp_path: Path
) -> None:
    trained = TrainedModel.load(project.baseline, store=project.root / "runs", device=torch.device("cpu"))
    decoding = trained.trial.decoding.model_copy(update={"test": Beam(size=3, length_penalty=penalty)})
    trained = replace(trained, trial=trained.trial.model_copy(update={"decoding": decoding}))
    difference = export_model(trained, tmp_path / "exported").difference
    written = json.loads((tmp_path / "exported" / "generation_config.json").read_text())
    assert (written["num_beams"], written.get("length_penalty")) == (3, theirs)
    card = (tmp_path / "exported" / "README.md").read_text()
    if theirs is None:
        assert difference is not None
        assert difference[1:] in card
        assert "decoding.test.length_penalty 0.6 is not exported" in difference
    else:
        assert difference is None
        assert "not exported" not in card


def test_the_manifest_of_a_training_has_the_model_s_place_files_and_packages(project: Project) -> None:
    manifest = read_manifests(project.finetuned)[0]
    assert manifest.pretrained is not None
    assert manifest.pretrained.path == str(project.directory)
    assert manifest.pretrained.sha256["model.safetensors"] == sha256(project.directory / "model.safetensors")
    assert "transformers" in manifest.versions


def test_without_its_directory_a_run_answers_and_a_package_carries_all_it_needs(
    project: Project, tmp_path: Path
) -> None:
    def answers(run: Path, store: Path) -> list[str]:
        trained = TrainedModel.load(run, store=store, device=torch.device("cpu"))
        return translate(trained, ["ape bee", "cat"], search=Greedy())

    runs, away = project.root / "runs", project.root / "away"
    expected = answers(project.finetuned, runs)
    pack(project.finetuned, store=runs, target=tmp_path / "packed")
    project.directory.rename(away)
    try:
        assert answers(tmp_path / "packed" / TRIAL_FOLDER, tmp_path / "packed") == expected
        model = read_trial(project.finetuned).model
        assert isinstance(model, Pretrained)
        if model.lora is None:
            assert not layout.pretrained(tmp_path / "packed", model.found.files).exists()
            assert project.call("export-model", str(project.finetuned), str(tmp_path / "out")).exit_code == 0
        else:
            with pytest.raises(DataError, match="the pre-trained model is gone from"):
                answers(project.finetuned, runs)
            (copy := layout.pretrained(runs, model.found.files)).parent.mkdir()
            copy.symlink_to(away)
        assert answers(project.finetuned, runs) == expected
    finally:
        shutil.rmtree(runs / layout.PRETRAINED, ignore_errors=True)
        away.rename(project.directory)


def test_an_empty_directory_is_filled_by_whatever_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "link").symlink_to("linked")
    monkeypatch.chdir(tmp_path / "empty")
    for name, place in ((".", "empty"), ("../link", "linked"), ("größe 1", "empty/größe 1")):
        assert project.call("export-model", str(project.finetuned), name).exit_code == 0
        assert (tmp_path / place / "model.safetensors").is_file()
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(CannotCreateError, match="loop: cannot be written"):
        project.call("export-model", str(project.finetuned), str(tmp_path / "loop"))


def test_what_cannot_be_exported_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CannotCreateError, match="is there already"):
        project.call("export-model", str(project.finetuned), str(project.directory))
    if "lora" in (project.root / "experiment.yaml").read_text():
        project.call("export-model", str(project.finetuned), str(tmp_path / "adapter"), "--adapter")
        assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()
        assert (tmp_path / "adapter" / "adapter_config.json").exists()
        assert len(load_file(project.finetuned / "selected.safetensors")) == 4
    else:
        with pytest.raises(ConfigError, match=r"was trained without model\.lora"):
            project.call("export-model", str(project.finetuned), str(tmp_path / "adapter"), "--adapter")


def test_a_run_whose_model_has_changed_since_is_refused(project: Project) -> None:
    config = project.directory / "config.json"
    before = config.read_text()
    config.write_text(before.replace("\n}", ',\n  "note": 1\n}'))
    try:
        with pytest.raises(ChangedError, match=r"have changed since \(config\.json\); restore them"):
            project.call("reproduce", str(project.finetuned))
    finally:
        config.write_text(before)
