"""Files that name a pre-trained model: what is read of its directory, and what is refused with which exit code."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from pretrained_models import make_pretrained
from safetensors.torch import load_file, save_file

from intelligen.config import pretrained_directory
from intelligen.config.base import canonical_json
from intelligen.config.load import apply_settings, load_experiment, load_sweep
from intelligen.config.schema.experiment import Experiment
from intelligen.errors import ConfigError, DataError, IntelligenError, UnavailableError

OWN = "model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "corpus").mkdir()
    write_tiny_corpus(root / "corpus", train=50, held_out=4)
    for name in ("t5", "gpt2"):
        make_pretrained(name, root / name)
    return root


def experiment(project: Path, model: str, *overrides: str, tokenizer: str = "{name: pretrained}") -> Experiment:
    text = TINY_EXPERIMENT.replace(OWN, f"model: {model}").replace("{vocabulary: 90}", tokenizer)
    (project / "experiment.yaml").write_text(text)
    return load_experiment(project / "experiment.yaml", overrides)


def refused(kind: type[IntelligenError], project: Path, model: str, *overrides: str, tokenizer: str = "") -> str:
    with pytest.raises(kind) as caught:
        experiment(project, model, *overrides, **({"tokenizer": tokenizer} if tokenizer else {}))
    line = str(caught.value)
    assert re.match(r"-o |.*experiment\.yaml:\d+: ", line), "it has no place"
    return line


def line_of_model() -> int:
    """Where the file has its model."""
    return 1 + TINY_EXPERIMENT[: TINY_EXPERIMENT.index(OWN)].count("\n")


def test_what_the_model_is_and_can_do_is_read_from_its_directory(project: Path) -> None:
    t5, gpt2 = (experiment(project, f"{{name: pretrained, path: {name}}}").model for name in ("t5", "gpt2"))
    assert t5.offered() == {"generation", "encoder_output", "mixtures"}
    assert gpt2.offered() == {"generation", "mixtures", "language_modelling"}
    assert (t5.max_positions, gpt2.max_positions) == (64, 64)


def test_the_identity_knows_the_files_and_not_their_place(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "t5", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "chat_template.jinja").write_text("{{ messages }}")
    here = experiment(project, "{name: pretrained, path: t5}")
    there = experiment(project, f"{{name: pretrained, path: {tmp_path / 'elsewhere'}}}")
    assert canonical_json(here) == canonical_json(there)
    weights = load_file(tmp_path / "elsewhere" / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, tmp_path / "elsewhere" / "model.safetensors")
    other = experiment(project, f"{{name: pretrained, path: {tmp_path / 'elsewhere'}}}")
    assert canonical_json(here) != canonical_json(other)


def test_the_targets_of_an_adapter_are_auto_or_names(project: Path) -> None:
    for targets, found in (("auto", "auto"), ("[q, wi]", ("q", "wi"))):
        model = experiment(project, f"{{name: pretrained, path: t5, lora: {{targets: {targets}}}}}").model
        assert model.lora.targets == found
        assert type(model).model_validate_json(model.model_dump_json()) == model


def test_a_search_may_choose_another_model(project: Path) -> None:
    found = apply_settings(experiment(project, "{name: pretrained, path: t5}"), {"model.path": str(project / "gpt2")})
    assert "gpt2" in canonical_json(found.model)
    assert "gpt2" in canonical_json(found.data.tokenizer)


def test_settings_that_do_not_belong_are_refused(project: Path) -> None:
    t5 = "{name: pretrained, path: t5"
    assert "tied_embeddings" in refused(ConfigError, project, f"{t5}, tied_embeddings: all}}")
    assert "lora" in refused(ConfigError, project, "{lora: {rank: 8}}", tokenizer="{vocabulary: 90}")
    assert "data.tokenizer {name: pretrained}" in refused(ConfigError, project, f"{t5}}}", tokenizer="{vocabulary: 90}")
    assert "use bf16" in refused(ConfigError, project, f"{t5}}}", "training.precision=fp16")
    assert "has no encoder" in refused(ConfigError, project, "{name: pretrained, path: gpt2, freeze: [encoder]}")
    frozen = refused(ConfigError, project, f"{t5}, freeze: [decoder, encoder]}}")
    assert "freeze: without encoder and decoder nothing is left to train; leave one out" in frozen
    for targets in ('"all-linear"', "[]", "[3]", "8"):
        line = refused(ConfigError, project, f"{t5}, lora: {{targets: {targets}}}}}")
        assert f"model.lora.targets: must be auto, or a list of names, got {targets}" in line
    assert "one column in braces" in refused(ConfigError, project, f"{t5}}}", "data.prompt=translate")
    assert "there is {source}" in refused(ConfigError, project, f"{t5}}}", "data.prompt='say {target}'")
    compiling = refused(ConfigError, project, f"{t5}}}", "finetuning.compile=true")
    assert "finetuning.compile compiles the layers of our own models, and model.name pretrained has none" in compiling
    dropping = refused(ConfigError, project, f"{t5}}}", "finetuning.dropout_by_row=true")
    assert (
        "finetuning.dropout_by_row is for our own models, and model.name pretrained draws its masks itself" in dropping
    )
    graphs = refused(ConfigError, project, f"{t5}}}", "decoding.cuda_graphs=true")
    assert "decoding.cuda_graphs needs the cache of our own models, whose size can be fixed" in graphs
    assert "finetuning.epochs" in refused(ConfigError, project, f"{t5}}}", "finetuning.epochs=0")
    own = refused(ConfigError, project, OWN.removeprefix("model: "), "training.epochs=0", tokenizer="{vocabulary: 90}")
    assert "leaves the weights random" in own
    line = refused(ConfigError, project, f"{t5}}}", "task={name: classification}")
    assert "needs a model that offers classification, which pretrained (t5) does not; take seq2seq" in line
    head = "strategy={name: auxiliary, head: encoder}"
    assert "encoder_output" in refused(ConfigError, project, "{name: pretrained, path: gpt2}", head)


def test_directories_that_are_no_models_are_refused(project: Path, tmp_path: Path) -> None:
    def copied(name: str) -> Path:
        return Path(shutil.copytree(project / "t5", tmp_path / name))

    def why(directory: Path) -> str:
        line = refused(DataError, project, f"{{name: pretrained, path: {directory}}}")
        assert f"experiment.yaml:{line_of_model()}: model.path: {directory}" in line
        return line

    (copied("bare") / "config.json").unlink()
    assert "has no config.json" in why(tmp_path / "bare")
    config = copied("unknown") / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "whisper"}))
    assert "type whisper, unknown here; known: t5, mt5, bart" in why(tmp_path / "unknown")
    (copied("pickled") / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    assert "AutoModelForSeq2SeqLM" in why(tmp_path / "pickled")
    (copied("weightless") / "model.safetensors").unlink()
    assert "has no model.safetensors" in why(tmp_path / "weightless")


def with_config(directory: Path, **changed: object) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | changed))


def with_index(directory: Path, index: object, weights: bytes | None = None) -> None:
    """Weights in a shard, cut or not, and an index."""
    held = (directory / "model.safetensors").read_bytes()
    (directory / "model.safetensors").unlink()
    (directory / "a.safetensors").write_bytes(held if weights is None else weights)
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def cut(directory: Path, size: int) -> None:
    held = (directory / "model.safetensors").read_bytes()
    (directory / "model.safetensors").write_bytes(held[:size])


POINTER = b"version https://git-lfs.github.com/spec/v1\n"
DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a list": (
        lambda one: (one / "config.json").write_text("[]"),
        "config.json cannot be read (it must hold an object)",
    ),
    "a list of types": (lambda one: with_config(one, model_type=["t5"]), "is a model of type ['t5'], unknown here"),
    "positions": (lambda one: with_config(one, n_positions="x"), "config.json: n_positions must be a number above 0"),
    "quantised": (lambda one: with_config(one, quantization_config={"bits": 4}), "has quantised weights"),
    "two vocabularies": (lambda one: with_config(one, share_encoder_decoder_embeddings=False), "another for targets"),
    "generation": (
        lambda one: (one / "generation_config.json").write_text("{"),
        "generation_config.json cannot be read",
    ),
    "an adapter": (
        lambda one: (one / "adapter_config.json").write_text("{}"),
        "has a LoRA adapter (adapter_config.json)",
    ),
    "no tokenizer": (lambda one: (one / "tokenizer.json").unlink(), "has no tokenizer (tokenizer.json, "),
    "no weights": (lambda one: cut(one, 0), "model.safetensors is damaged (Error while deserializing"),
    "half the weights": (lambda one: cut(one, -100), "model.safetensors is damaged (Error while deserializing"),
    "a list for an index": (lambda one: with_index(one, []), "index.json cannot be read (it must hold an object)"),
    "an empty index": (lambda one: with_index(one, {"weight_map": {}}), "index.json names no files of this directory"),
    "a list for a shard": (
        lambda one: with_index(one, {"weight_map": {"a": [3]}}),
        "index.json names no files of this",
    ),
    "a shard outside": (
        lambda one: with_index(one, {"weight_map": {"a": "../b.safetensors"}}),
        "index.json names no files of this",
    ),
    "no shard": (
        lambda one: with_index(one, {"weight_map": {"a": "b.safetensors"}}),
        "/b.safetensors is missing; restore it",
    ),
    "a pointer": (
        lambda one: with_index(one, {"weight_map": {"a": "a.safetensors"}}, POINTER),
        "a.safetensors is damaged",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_directory_is_refused_in_one_line(name: str, project: Path, tmp_path: Path) -> None:
    damage, message = DAMAGED[name]
    directory = Path(shutil.copytree(project / "t5", tmp_path / "t5"))
    damage(directory)
    line = refused(DataError, project, f"{{name: pretrained, path: {directory}}}")
    assert f"model.path: {directory}" in line
    assert message in line
    assert "\n" not in line


SPACE = """budget: {trials: 2}
stages: [train]
space:
  model.path: {choice: [ROOT/t5, ROOT/nowhere]}
"""
ROWS = """rows:
  variants:
    control: own
    of:
      own: {}
      other: {model.path: ROOT/nowhere}
"""


@pytest.mark.parametrize(
    ("part", "key"),
    [(SPACE, "space.model.path"), (ROWS, "rows.variants.of.other.model.path")],
    ids=["space", "row"],
)
def test_a_sweep_that_names_no_model_is_refused_with_its_line(project: Path, part: str, key: str) -> None:
    experiment(project, "{name: pretrained, path: t5}")
    text = f"version: 1\nname: tiny\nexperiment: experiment.yaml\n{part}"
    (project / "sweep.yaml").write_text(text.replace("ROOT", str(project)))
    with pytest.raises(DataError) as caught:
        load_sweep(project / "sweep.yaml")
    line = text[: text.index("nowhere")].count("\n") + 1
    assert f"sweep.yaml:{line}: {key}: " in str(caught.value)
    fix = "name that of a pre-trained model: model.path=DIR here"
    assert str(caught.value).endswith(f"{project}/nowhere: no such directory; {fix}")


def test_a_shard_without_its_weights_is_named(project: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(project / "t5", tmp_path / "sharded"))
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    index = {"weight_map": dict.fromkeys(weights, "model-00001-of-00001.safetensors")}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    lost, *rest = sorted(weights)
    save_file({name: weights[name] for name in rest}, directory / "model-00001-of-00001.safetensors")
    line = refused(DataError, project, f"{{name: pretrained, path: {directory}}}")
    assert f"model-00001-of-00001.safetensors lacks the weights {lost}" in line


def test_the_command_that_a_message_names_converts(project: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(project / "t5", tmp_path / "pickled"))
    torch.save(load_file(directory / "model.safetensors"), directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    line = refused(DataError, project, f"{{name: pretrained, path: {directory}}}")
    exec(line.partition('python -c "')[2].rstrip('"'), {})  # noqa: S102
    assert experiment(project, f"{{name: pretrained, path: {directory}}}").model.max_positions == 64


def test_a_repository_needs_its_commit_and_the_hub(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "{name: pretrained, path: no-such/repository"
    assert "model.revision, 40 hexadecimal digits" in refused(ConfigError, project, f"{name}}}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    line = refused(UnavailableError, project, f"{name}, revision: {'a' * 40}}}")
    assert "the hub cannot be reached" in line


def test_without_the_extra_the_pip_line_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained_directory, "find_spec", lambda package: None)
    line = refused(UnavailableError, project, "{name: pretrained, path: t5}")
    where, _, what = line.partition(": ")
    assert where.endswith(f"experiment.yaml:{line_of_model()}")
    assert what == "model.path: needs the package transformers, which is not installed: pip install 'intelligen[hf]'"
