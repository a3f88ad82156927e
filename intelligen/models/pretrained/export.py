"""Writes a network as a directory that `transformers` loads: its own order of the vocabulary, its own precision."""

import shutil
from pathlib import Path
from typing import Any

import torch

from intelligen.config.pretrained_directory import CONFIG, GENERATION, PretrainedDirectory, files_of, holds_weights
from intelligen.config.schema.decoding import Beam, ByLength, DecodingSearch, Greedy, Mbr, Sample
from intelligen.models.pretrained.lora import lora_config, merge_lora
from intelligen.models.pretrained.network import PretrainedNetwork
from intelligen.models.pretrained.token_tables import to_their_order


def export_network(
    network: PretrainedNetwork,
    base: PretrainedDirectory,
    target: Path,
    *,
    search: DecodingSearch,
    longest: int,
    adapter: bool,
) -> str | None:
    """Write a network; it is of no use for anything else after.

    Args:
        network: What was loaded, and perhaps trained.
        base: Has the model's configuration and its tokenizer.
        target: A directory that is there.
        search: What the generation configuration says.
        longest: Most tokens of what is written, EOS included.
        adapter: Write what LoRA has learnt alone, as `peft` does; it needs the base model.

    Returns:
        What of the search `transformers` does not do, in a line; none where it does the same.

    """
    settings, hf = network.settings, network.hf
    for file in files_of(base.path):
        if not holds_weights(file.name) and file.name not in (CONFIG, GENERATION):
            shutil.copyfile(file, target / file.name)
    hf.generation_config = _generation_config(network, search, longest=longest)
    if adapter:
        assert settings.lora is not None
        config = lora_config(settings.lora, family=settings.found.family)
        config.base_model_name_or_path, config.revision = settings.path, settings.revision
        config.task_type = "CAUSAL_LM" if settings.kind == "causal" else "SEQ_2_SEQ_LM"
        _write_adapter(hf, target, config)
        hf.generation_config.save_pretrained(target)
    else:
        if settings.lora is not None:
            merge_lora(hf)
        to_their_order(hf, network.order)
        hf.to(getattr(torch, str(base.config.get("dtype") or base.config.get("torch_dtype") or "float32")))
        hf.save_pretrained(target)
    return _difference(search)


def _write_adapter(hf: Any, target: Path, config: Any) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    # `peft` looks for the names that modules have inside its own wrapper, and passes over all others.
    state = {f"base_model.model.{name}": tensor for name, tensor in get_peft_model_state_dict(hf).items()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, target / "adapter_model.safetensors")
    config.save_pretrained(target)


def _generation_config(network: PretrainedNetwork, search: DecodingSearch, *, longest: int) -> Any:
    """What makes `generate` write what was scored: nothing of the base model's own but its special tokens.

    Its shortest length, forbidden n-grams or repetition penalty had no part in the scores, and with another search
    `transformers` refuses to save some of them.
    """
    from transformers import GenerationConfig

    order, known = network.order, network.hf.generation_config
    ids: dict[str, Any] = {"bos_token_id": known.bos_token_id, "eos_token_id": order.eos}
    ids["pad_token_id"] = order.eos if known.pad_token_id is None else known.pad_token_id
    if network.settings.kind == "encoder_decoder":
        ids["decoder_start_token_id"] = order.eos if order.start is None else order.start
    if order.start is not None:
        # What begins a text is never written here (`mask_unwritable_`).
        ids |= {"bad_words_ids": [[order.start]], "renormalize_logits": True}
    return GenerationConfig(**ids, **_search(search), max_new_tokens=longest)


def _search(search: DecodingSearch) -> dict[str, Any]:
    """Our search by their names.

    Their beam search scores by log p / length^penalty, EOS counted, which is our form `length`; the other form,
    log p / ((5 + length) / 6)^α, is the same where both exponents are 0.
    """
    match search:
        case Beam(size=size, length_penalty=0.0 | ByLength() as penalty):
            alpha = penalty.alpha if isinstance(penalty, ByLength) else penalty
            return {"num_beams": size, "do_sample": False, "length_penalty": alpha, "early_stopping": "never"}
        case Beam(size=size):
            return {"num_beams": size, "do_sample": False}
        case Sample(temperature=temperature, top_k=top_k, top_p=top_p):
            return {"num_beams": 1, "do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        case Mbr():
            return _search(search.drawing)
        case Greedy():
            return {"num_beams": 1, "do_sample": False}


def _difference(search: DecodingSearch) -> str | None:
    if isinstance(search, Mbr):
        return (
            f"decoding.test.name mbr is not exported: here the best of {search.samples} drawn hypotheses is taken, and"
            " transformers takes the one that it draws"
        )
    if not isinstance(search, Beam) or not search.length_penalty or isinstance(search.length_penalty, ByLength):
        return None
    return (
        f"decoding.test.length_penalty {search.length_penalty:g} is not exported: here log p is divided by"
        f" ((5 + length) / 6)^{search.length_penalty:g}, and by transformers by length^length_penalty, which is 1"
        " there; the two may prefer other hypotheses. {form: length, alpha: 1.0} would be exported"
    )
