"""Settings of pre-trained models: which directory, and what of it is trained."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from intelligen.config.base import UNCOMPARED, Settings
from intelligen.config.pretrained_directory import FAMILIES, require_extra
from intelligen.config.schema.declarations import Capability, ModelSettings
from intelligen.config.schema.local_path import DatasetPath
from intelligen.config.schema.pretrained_source import Resolved, resolve
from intelligen.config.schema.training import Precision

_OFFERS: dict[str, frozenset[Capability]] = {
    "encoder_decoder": frozenset({"generation", "encoder_output", "mixtures"}),
    "causal": frozenset({"generation", "mixtures", "language_modelling"}),
}


class Lora(Settings):
    """Low-rank adaptation (Hu et al. 2022): the pre-trained weights do not change, and small matrices learn."""

    rank: PositiveInt = 8
    """Rank of the two matrices beside each adapted projection."""
    alpha: PositiveInt = 16
    """The matrices' output is multiplied by alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout on what the matrices read."""
    targets: Literal["auto"] | tuple[str, ...] = "auto"
    """Names of the projections that are adapted, as the ends of the names of the model's modules; `auto` = queries and
    values."""

    @field_validator("targets", mode="before")
    @classmethod
    def _auto_or_names(cls, value: object) -> object:
        names = isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) for one in value)
        if value != "auto" and not names:
            raise ValueError(f"must be auto, or a list of names, got {json.dumps(value, ensure_ascii=False)}")
        # What goes through here is no longer JSON, whose lists would be taken for tuples.
        return tuple(value) if isinstance(value, list) else value


class Pretrained(ModelSettings):
    """A pre-trained model: T5, mT5, BART, mBART, Marian, M2M100; GPT-2, Llama, Qwen2. It brings its own vocabulary."""

    offers = frozenset({"generation", "encoder_output", "mixtures"})

    name: Literal["pretrained"] = "pretrained"
    path: Annotated[DatasetPath, UNCOMPARED]
    """A directory as `save_pretrained` of the package `transformers` writes it, relative to this file, or the name of a
    repository on the hub. Weights are read from safetensors alone, and no code of a repository is run. Identities
    depend on the files' content, not on their place.
    """
    revision: Annotated[str | None, UNCOMPARED] = None
    """Commit of the repository, in full; a directory needs none."""
    resolved: Resolved | None = None
    """What was found there; the program writes it."""
    lora: Lora | None = None
    """Train only an adapter; not given = all weights."""
    freeze: tuple[Literal["encoder", "decoder", "embeddings"], ...] = ()
    """Parts that are not trained."""
    checkpointing: bool = False
    """Activation checkpointing: the backward pass computes activations again, which takes time and saves memory."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        vars(self)["resolved"] = resolve(self.path, self.revision, self.resolved, key="model.path")
        if self.lora is not None:
            require_extra("peft", key="model.lora")
        if self.kind == "causal" and (wrong := sorted({*self.freeze} - {"embeddings"})):
            raise ValueError(
                f"freeze: a {self.found.family} model has no {' and no '.join(wrong)} of its own; there is embeddings"
            )
        if {"encoder", "decoder"} <= {*self.freeze}:
            raise ValueError("freeze: without encoder and decoder nothing is left to train; leave one out")
        return self

    @property
    def found(self) -> Resolved:
        """What is at `path`."""
        assert self.resolved is not None
        return self.resolved

    @property
    def kind(self) -> str:
        """`encoder_decoder` or `causal`."""
        return FAMILIES[self.found.family]

    @property
    def packages(self) -> tuple[str, ...]:
        """What it needs beside the other models' packages."""
        return ("transformers", "tokenizers", *(("peft",) if self.lora is not None else ()))

    @property
    def max_positions(self) -> int:
        """Longest source and longest target."""
        return self.found.max_positions

    def offered(self) -> frozenset[Capability]:
        """By its architecture: a causal model has no encoder to sum up a source, and only it reads a text alone."""
        return _OFFERS[self.kind]

    @property
    def called(self) -> str:
        """With its family, by which pre-trained models differ."""
        return f"pretrained ({self.found.family})"

    def refuses(self, precision: Precision) -> str | None:
        """T5's activations are larger than fp16 can hold."""
        if precision == "fp16" and self.found.family in ("t5", "mt5"):
            return f"fp16: activations of {self.found.family} overflow it; use bf16"
        return None
