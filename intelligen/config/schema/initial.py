"""Settings of initial weights: what a model starts from in place of random weights."""

from typing import Annotated, Literal

from pydantic import PositiveInt, StringConstraints, model_validator

from intelligen.config.base import UNCOMPARED, Settings
from intelligen.config.schema.local_path import LocalPath

Part = Literal["all", "encoder", "decoder", "embeddings"]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Initial(Settings):
    """Weights of another model, or vectors of words, that the training starts from. Give `experiment` or `path`."""

    experiment: LocalPath | None = None
    """An experiment file, relative to this file. Its baseline is trained first, with this experiment's seed. If it has
    been trained already, it is found again.
    """
    epoch: PositiveInt | None = None
    """An epoch of the experiment's training that its `training.keep_epochs` keeps; not given = its selected weights."""
    path: LocalPath | None = None
    """The directory of a finished trial, or a file of word vectors (word2vec's text format, plain or `.gz`, or `.npz`
    with the arrays `words` and `vectors`), relative to this file.
    """
    part: Part = "all"
    """What is loaded. The rest remains random. Word vectors are embeddings."""
    freeze: bool = False
    """Do not train what was loaded."""

    @model_validator(mode="after")
    def _names_one_source(self) -> "Initial":
        if self.experiment is not None and self.path is not None:
            raise ValueError("experiment and path are two sources of weights; remove one of them")
        if self.experiment is None and self.path is None:
            raise ValueError("needs a source of weights: add `experiment` (a file to train first) or `path`")
        if self.epoch is not None and self.experiment is None:
            raise ValueError("epoch is one of an experiment's; a path means the selected weights: remove epoch")
        return self


class InitialWeights(Settings):
    """The weights that a trial starts from, which lie in the runs directory under their hash."""

    weights: Sha256
    """SHA-256 of their file."""
    part: Part
    freeze: bool
    origin: Annotated[str, UNCOMPARED]
    """Where they are from, for people."""
