"""What of a pre-trained model is trained: an adapter alone, or all that is not frozen."""

from pathlib import Path

import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus
from pretrained_models import make_pretrained
from task_data import Invented, Parts, rows_of
from test_generators import trained

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, FromPretrained
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.config.schema.tasks import LanguageModelling
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.models.build import build_model

FAMILIES = ("t5", "gpt2")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Prepared]]:
    """Family → its directory, and the tiny corpus in its vocabulary."""
    root = tmp_path_factory.mktemp("pretrained")
    (root / "corpus").mkdir()
    write_tiny_corpus(root / "corpus")
    sentences = [line for side in ("en", "de") for line in (root / "corpus" / f"train.{side}").read_text().splitlines()]
    found = {}
    for name in FAMILIES:
        directory = make_pretrained(name, root / name, sentences=sentences)
        tokenizer = FromPretrained(name="pretrained", path=str(directory))
        data = tiny_data(root / "corpus").model_copy(update={"tokenizer": tokenizer, "max_tokens": 60})
        found[name] = directory, prepare(data, root / "store", columns=SOURCE_AND_TARGET)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_learns_and_the_rest_stays(family: str, made: dict[str, tuple[Path, Prepared]]) -> None:
    directory, prepared = made[family]
    settings = Pretrained(path=str(directory), lora=Lora(rank=4), checkpointing=True)
    model = build_model(settings, prepared.vocabularies, seed=1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = trained(model, tiny_trial(prepared.identity, model=settings), prepared, updates=8)
    assert sum(losses[-3:]) < sum(losses[:3])
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == model.state_dict().keys()
    assert all("lora_" in name for name in changed)
    again = build_model(settings, prepared.vocabularies, seed=2)
    again.load_state_dict(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("packing", [False, True])
def test_a_causal_model_learns_language_modelling(
    packing: bool, made: dict[str, tuple[Path, Prepared]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, _ = made["gpt2"]
    task = LanguageModelling(n_seq=8, packing=packing)
    tokenizer = FromPretrained(name="pretrained", path=str(directory))
    corpus = Invented("texts", {"train": rows_of(task, 60, seed=1), "valid": rows_of(task, 6, seed=2)})
    monkeypatch.setattr("intelligen.data.preparation.open_corpus", lambda *_: corpus)
    prepared = prepare(Data(tokenizer=tokenizer), tmp_path, columns=task.columns)
    trial = tiny_trial(prepared.identity, task=task, model=Pretrained(path=str(directory)))
    parts = Parts(trial, tmp_path)
    before = parts.evaluate().metrics["perplexity"]
    parts.train(1, 8)
    assert parts.evaluate().metrics["perplexity"] < before


def test_a_frozen_part_stays(made: dict[str, tuple[Path, Prepared]]) -> None:
    directory, prepared = made["t5"]
    settings = Pretrained(path=str(directory), freeze=("encoder", "embeddings"))
    model = build_model(settings, prepared.vocabularies, seed=1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trained(model, tiny_trial(prepared.identity, model=settings), prepared, updates=3)
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed
    assert all(name.startswith("hf.decoder.") for name in changed)
