"""Exports a trained model that began as a pre-trained one: a directory that `transformers` loads, with a model card."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from intelligen.config.model_licence import CARD
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.data.pretrained_shape import model_files
from intelligen.errors import CannotCreateError, ConfigError, writing
from intelligen.training.model_card import card_lines
from intelligen.training.trained_model import TrainedModel


@dataclass(frozen=True)
class Exported:
    """A directory that `transformers` loads."""

    directory: Path
    difference: str | None
    """What `transformers` does not decode as it was scored, in a line; none where it does."""


def export_model(trained: TrainedModel, target: Path, *, adapter: bool = False) -> Exported:
    """Write the model's selected weights, configuration, tokenizer, generation configuration and card.

    Args:
        trained: The model; it is of no use for anything else after.
        target: A directory that is not there yet, or empty.
        adapter: Write what LoRA has learnt alone, not merged with the base model.

    Raises:
        CannotCreateError: Something is in the directory, or it may not be written.
        ConfigError: The model is one of ours, or has no adapter.
        StorageError: The disk is full or fails, or the prepared data are damaged.

    """
    settings = trained.trial.model
    if not isinstance(settings, Pretrained):
        raise ConfigError(
            f"{trained.directory} is a model {settings.name}, which other packages do not know; register it in MLflow:"
            " intelligen promote"
        )
    if adapter and settings.lora is None:
        raise ConfigError(f"--adapter: {trained.directory} was trained without model.lora; leave the option out")
    # A link, and "." or "..", by the place that they name.
    place = Path(os.path.realpath(target))
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise CannotCreateError(f"{target}: is there already; name a directory that is not")
    merged = "LoRA merged with the base model" if settings.lora is not None else "all"
    form = "a LoRA adapter, for use beside the base model" if adapter else merged
    building = place.with_name(f".{place.name}.{uuid4().hex[:8]}")
    with writing(target):
        try:
            building.mkdir(parents=True)
            difference = _write_network(trained, building, adapter=adapter)
            card = "\n".join(card_lines(trained, settings, form=form, difference=difference))
            (building / CARD).write_text(f"{card}\n", encoding="utf-8")
            if place.is_dir():  # it stays: it may be a working directory
                for file in building.iterdir():
                    file.replace(place / file.name)
            else:
                building.replace(place)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return Exported(target, difference)


def _write_network(trained: TrainedModel, target: Path, *, adapter: bool) -> str | None:
    from intelligen.models.pretrained.export import export_network

    network, decoding = cast(Any, trained.model), trained.trial.decoding
    most = int(trained.prepared.manifest.data.max_tokens * decoding.max_length_ratio) + decoding.max_length_offset
    with model_files(trained.prepared) as base:
        return export_network(
            network,
            base,
            target,
            search=decoding.test,
            longest=min(most, network.max_positions),
            adapter=adapter,
        )
