"""A pre-trained network that was just built is one to train: its dropout acts, and its checkpoints save activations."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from pretrained_models import make_pretrained
from torch import Tensor, nn

from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.errors import ConfigError
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


@pytest.mark.parametrize("wrong", ["nope", "layer_norm", "lm_head", "shared", "wte", "embed_tokens", ""])
def test_a_target_that_is_no_projection_is_refused_with_those_there_are(directory: Path, wrong: str) -> None:
    """Beside one that there is; and whichever tables the model has."""
    right, known = {"t5": ("q", "k, o, q, v, wi, wo"), "gpt2": ("c_attn", "c_attn, c_fc, c_proj")}.get(
        directory.name, ("q_proj", "k_proj, o")
    )
    with pytest.raises(
        ConfigError, match=f"model.lora.targets: {wrong!r} is no projection of this model; there are"
    ) as it:
        built(directory, lora=Lora(targets=(right, wrong)))
    assert known in str(it.value)


def test_a_model_of_which_nothing_would_be_trained_is_refused(tmp_path: Path) -> None:
    lora = Lora(targets=("encoder.block.0.layer.0.SelfAttention.q",))
    with pytest.raises(ConfigError, match=r"model\.freeze: without encoder nothing is left to train; leave a part out"):
        built(make_pretrained("t5", tmp_path / "t5"), lora=lora, freeze=("encoder",))
