"""A pre-trained network that was just built is one to train: its dropout acts, and its checkpoints save activations."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from pretrained_models import make_pretrained
from torch import Tensor, nn

from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets

SOURCE_BS, TARGET_BT = torch.tensor([[5, 6, 7, 3], [8, 9, 3, 0]]), torch.tensor([[2, 9, 8, 7], [2, 6, 5, 0]])


@pytest.fixture(scope="module", params=["t5", "bart", "gpt2", "llama"])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pretrained(request.param, tmp_path_factory.mktemp("pretrained") / request.param)


def built(directory: Path, **settings: object) -> Generator:
    return build_model(Pretrained(path=str(directory), **settings), {}, seed=1)


def loss(model: Generator) -> Tensor:
    states_BTD = model.states(TARGET_BT, model.encode(SOURCE_BS))
    return model.summed_loss(states_BTD, Targets(TARGET_BT.roll(-1, dims=1), 0.0))


@pytest.mark.parametrize("lora", [None, Lora(rank=2)], ids=["all weights", "an adapter"])
def test_every_part_of_it_is_in_training_mode(directory: Path, lora: Lora | None) -> None:
    model = built(directory, lora=lora)
    assert [name for name, module in model.named_modules() if not module.training] == []
    if directory.name != "llama":  # which has no dropout
        assert not torch.equal(loss(model), loss(model))
    model.eval()
    assert torch.equal(loss(model), loss(model))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_with_activation_checkpointing_the_backward_pass_computes_each_layer_again(
    directory: Path, checkpointing: bool
) -> None:
    model = built(directory, checkpointing=checkpointing)
    layers = [layer for module in model.modules() if isinstance(module, nn.ModuleList) for layer in module]
    first_parts = {next(part for part in layer.modules() if not [*part.children()]) for layer in layers}
    passes: Counter[nn.Module] = Counter()

    def count(part: nn.Module, _: object) -> None:
        passes[part] += 1

    for part in first_parts:
        part.register_forward_pre_hook(count)
    loss(model).backward()
    assert passes == dict.fromkeys(first_parts, 1 + checkpointing)
