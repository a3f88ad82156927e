"""Compiled layers compute what the layers compute, under the same names, and decode as they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.base import canonical_json
from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.model import DecoderOnly, Encoder, Seq2Seq
from intelligen.config.schema.training import Training
from intelligen.data.special_tokens import BOS, EOS
from intelligen.decoding.generate import generate
from intelligen.errors import ConfigError
from intelligen.models.build import build_model
from intelligen.models.compiled_layers import compile_layers
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets
from intelligen.models.transformer_layers import EncoderLayer
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

SHAPE: dict[str, Any] = {"d_model": 16, "d_ff": 32, "heads": 2, "dropout": 0.0, "max_positions": 16}
MODELS = {
    "seq2seq": Seq2Seq(**SHAPE, encoder_layers=1, decoder_layers=1),
    "decoder_only": DecoderOnly(**SHAPE, layers=1),
}
SOURCE_BS = torch.tensor([[5, 6, 7, EOS], [8, 9, EOS, 0]])
TARGET_BT = torch.tensor([[BOS, 5, 6, EOS], [BOS, 7, EOS, 0]])


def network(name: str) -> Generator:
    return build_model(MODELS[name], {"source": 12, "target": 12}, seed=1)


def loss(model: Generator) -> torch.Tensor:
    states_BTD = model.states(TARGET_BT[:, :-1], model.encode(SOURCE_BS))
    return model.summed_loss(states_BTD, Targets(TARGET_BT[:, 1:], 0.1))


@pytest.mark.parametrize("name", MODELS)
def test_losses_gradients_and_names_are_those_of_the_layers(name: str) -> None:
    plain, compiled = network(name), network(name)
    graphs: list[torch.fx.GraphModule] = []

    def eager(graph: torch.fx.GraphModule, _inputs: object) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    compile_layers(compiled, backend=eager)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    assert [one for one, _ in compiled.named_parameters()] == [one for one, _ in plain.named_parameters()]
    losses = [loss(model) for model in (plain, compiled)]
    assert graphs
    torch.testing.assert_close(losses[1], losses[0])
    for one in losses:
        one.backward()
    for first, second in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(second.grad, first.grad)
    compiled.load_state_dict(plain.state_dict())

    graphs.clear()
    bounds = torch.tensor([6, 6])
    found = [generate(model, SOURCE_BS, Greedy(), max_lengths_B=bounds).tokens_NT for model in (plain, compiled)]
    assert torch.equal(*found)
    assert not graphs


def test_the_setting_is_part_of_an_identity_where_it_is_given_alone() -> None:
    assert "compile" not in canonical_json(Training())
    assert "compile" in canonical_json(Training(compile=True))


def test_on_a_processor_it_is_refused(tiny_store: tuple[Path, str], tmp_path: Path) -> None:
    store, identity = tiny_store
    trial = tiny_trial(identity)
    for setting in ("training.compile", "training.flash_attention", "decoding.cuda_graphs"):
        group, _, key = setting.partition(".")
        asking = trial.model_copy(update={group: getattr(trial, group).model_copy(update={key: True})})
        with pytest.raises(ConfigError, match=rf"^{setting}: .* a GPU.*, and this training runs on a CPU; set it to"):
            fit(asking, Runtime(store, tmp_path / key))


def test_a_layer_with_dropout_is_one_graph() -> None:
    share = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.5)
    layer = EncoderLayer(Encoder(**SHAPE | share, layers=1))
    compiled, x_BSD = torch.compile(layer, backend="eager", fullgraph=True, dynamic=True), torch.ones(2, 5, 16)
    outputs = []
    for one in (layer, compiled):
        torch.manual_seed(1)
        outputs.append(one(x_BSD, None))
    assert torch.equal(*outputs)
