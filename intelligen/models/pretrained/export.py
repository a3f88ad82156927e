"""Writes a network as a directory that `transformers` loads: its own order of the vocabulary, its own precision."""

import shutil
from pathlib import Path
from typing import Any

import torch

from intelligen.config.pretrained_directory import files_of
from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.models.pretrained.lora import lora_config, merge_lora
from intelligen.models.pretrained.network import PretrainedNetwork
from intelligen.models.pretrained.token_tables import to_their_order

_WEIGHTS = (".safetensors", ".safetensors.index.json")
_WRITTEN = ("config.json", "generation_config.json")


def export_network(network: PretrainedNetwork, target: Path, *, search: DecodingSearch, adapter: bool) -> None:
    """Write a network; it is of no use for anything else after.

    Args:
        network: What was loaded, and perhaps trained.
        target: A directory that is there.
        search: What the generation configuration says.
        adapter: Write what LoRA has learnt alone, as `peft` does; it needs the base model.

    Raises:
        DataError: The directory of the base model is gone or has changed.

    """
    settings, hf = network.settings, network.hf
    base = open_as_resolved(settings.found)
    for file in files_of(base.path):
        if not file.name.endswith(_WEIGHTS) and file.name not in _WRITTEN:
            shutil.copyfile(file, target / file.name)
    if adapter:
        assert settings.lora is not None
        _write_adapter(hf, target, lora_config(settings.lora, family=settings.found.family), base=settings.path)
        return
    if settings.lora is not None:
        merge_lora(hf)
    to_their_order(hf, network.order)
    hf.to(getattr(torch, str(base.config.get("dtype") or base.config.get("torch_dtype") or "float32")))
    hf.generation_config.update(**_generation(search))
    hf.save_pretrained(target)


def _write_adapter(hf: Any, target: Path, config: Any, *, base: str) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config.base_model_name_or_path = base
    # `peft` looks for the names that modules have inside its own wrapper, and passes over all others.
    state = {f"base_model.model.{name}": tensor for name, tensor in get_peft_model_state_dict(hf).items()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, target / "adapter_model.safetensors")
    config.save_pretrained(target)


def _generation(search: DecodingSearch) -> dict[str, Any]:
    """Our search by their names. Their length penalty divides by another function of the length than ours."""
    match search:
        case Beam(size=size):
            return {"num_beams": size, "do_sample": False}
        case Sample(temperature=temperature, top_k=top_k, top_p=top_p):
            return {"num_beams": 1, "do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        case Greedy():
            return {"num_beams": 1, "do_sample": False}
