"""LoRA (Hu et al. 2022) by the package `peft`: put into a model, and merged with it for good."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from intelligen.config.schema.pretrained_model import Lora
from intelligen.errors import ConfigError

_TARGETS = {"t5": ("q", "v"), "mt5": ("q", "v"), "gpt2": ("c_attn",)}
_USUAL = ("q_proj", "v_proj")


def lora_config(settings: Lora, *, family: str) -> Any:
    """The settings as `peft` has them."""
    from peft import LoraConfig

    targets = _TARGETS.get(family, _USUAL) if settings.targets == "auto" else settings.targets
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(targets),
        fan_in_fan_out=family == "gpt2",
    )


def add_lora(hf: Any, settings: Lora, *, family: str) -> None:
    """Put an adapter beside the projections that the settings name; nothing else is trained any more.

    Raises:
        ConfigError: The model has no projection of one of the names.

    """
    from peft import inject_adapter_in_model

    if settings.targets != "auto":
        _require_projections(hf, settings.targets)
    inject_adapter_in_model(lora_config(settings, family=family), hf)
    for name, parameter in hf.named_parameters():
        parameter.requires_grad_("lora_" in name)


def _require_projections(hf: Any, targets: Sequence[str]) -> None:
    """`peft` is content if one of the names is found, and adapts what is no projection of a layer, too.

    Embeddings and the output projection are tables here, which are read without their modules.
    """
    from transformers.pytorch_utils import Conv1D

    tables = (hf.get_input_embeddings(), hf.get_output_embeddings())
    names = [name for name, one in hf.named_modules() if isinstance(one, nn.Linear | Conv1D) and one not in tables]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
            raise ConfigError(f"model.lora.targets: {target!r} is no projection of this model; there are {known}")


def merge_lora(hf: Any) -> None:
    """Add what the adapter has learnt to the projections, and take it out of the model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(hf.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            setattr(hf.get_submodule(parent), last, module.get_base_layer())
