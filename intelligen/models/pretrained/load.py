"""Loads a pre-trained model from its directory: safetensors alone, no code of a repository, all in fp32."""

from typing import Any

import torch

from intelligen.config.pretrained_directory import GENERATION, PretrainedDirectory
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.data.pretrained_vocabulary import load_config, load_tokenizer, read_by_transformers, vocabulary_order
from intelligen.errors import DataError
from intelligen.models.pretrained.causal import PretrainedCausal
from intelligen.models.pretrained.encoder_decoder import PretrainedEncoderDecoder
from intelligen.models.pretrained.network import PretrainedNetwork


def load_pretrained(settings: Pretrained) -> PretrainedNetwork:
    """The network of a pre-trained model, with its weights unless only its shape is asked for.

    What LoRA adds, and the weights of a shape alone, are drawn from torch's default generator.

    Raises:
        ChangedError: The directory's files have changed.
        ConfigError: `lora.targets` names no projection of the model, or `freeze` all that would be trained.
        DataError: The directory is gone or damaged.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    found = open_as_resolved(settings.found)
    order = vocabulary_order(found, load_tokenizer(found.path))
    kind = PretrainedCausal if found.kind == "causal" else PretrainedEncoderDecoder
    hf = shape_of_hf(found) if settings.found.shape_alone else load_hf(found)
    return kind(hf, order, settings)


def load_hf(found: PretrainedDirectory, *, key: str = "model.path", kind: Any = None) -> Any:
    """The model as `transformers` has it, with all its weights from the files.

    Args:
        found: The directory.
        key: Of the setting that names it, for messages.
        kind: One of the classes of `transformers`; that of the family where not given.

    Raises:
        DataError: A weight is missing, a file is damaged, or configuration and weights do not go together.

    """
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()  # its report of weights that do not fit is many lines; the first is in ours
    with read_by_transformers(found.path, "weights", key=key):
        hf, report = (kind or _class_of(found)).from_pretrained(
            found.path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    if mismatched := sorted(report["mismatched_keys"]):
        name, held, built = mismatched[0]
        raise DataError(
            f"{key}: {found.path}: the weights {name} have the shape {[*held]} in its files, and {[*built]} by"
            " config.json; restore its files"
        )
    if missing := sorted(report["missing_keys"]):
        raise DataError(
            f"{key}: {found.path}: its files lack the weights {missing[0]}"
            + (f" and {len(missing) - 1} more" * (len(missing) > 1))
            + "; restore them from their source"
        )
    if untied := sorted(hf.get_expanded_tied_weights_keys().keys() - hf.all_tied_weights_keys.keys()):
        raise DataError(
            f"{key}: {found.path}: config.json ties {untied[0]} to another table, and the files have two different"
            " ones; set tie_word_embeddings to false there"
        )
    return hf


def shape_of_hf(found: PretrainedDirectory) -> Any:
    """The model as `transformers` has it, with random weights."""
    from transformers import GenerationConfig

    config = load_config(found.path)
    with read_by_transformers(found.path, "configuration"):
        hf = _class_of(found).from_config(config, dtype=torch.float32)
        if (found.path / GENERATION).exists():
            hf.generation_config = GenerationConfig.from_pretrained(found.path, local_files_only=True)
    return hf


def _class_of(found: PretrainedDirectory) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForCausalLM if found.kind == "causal" else AutoModelForSeq2SeqLM
