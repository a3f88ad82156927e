"""Decoding settings: greedy, beam search or sampling, with their bounds."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from intelligen.config.base import ADDED, Settings


class Greedy(Settings):
    """The most probable token, one position after the other."""

    name: Literal["greedy"] = "greedy"


class ByLength(Settings):
    """A hypothesis is scored by log p / |Y|^α, as fairseq and `transformers` do: at α = 1 by the mean of its tokens.

    |Y| is the number of its tokens, EOS included.
    """

    form: Literal["length"]
    alpha: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    """0 = none."""


class Beam(Settings):
    """The `size` most probable prefixes, one position after the other."""

    name: Literal["beam"] = "beam"
    size: Annotated[int, Field(ge=1, le=256)] = 4
    length_penalty: Annotated[float, Field(ge=0.0, le=5.0)] | ByLength = 0.6
    """A number is the α of Wu et al. (2016), eq. 14: log p / ((5 + |Y|) / 6)^α, EOS counted in |Y|; 0 = none.
    `{form: length, alpha: 1.0}` divides by |Y|^α."""


class Sample(Settings):
    """Tokens drawn from the model's distribution."""

    name: Literal["sample"] = "sample"
    temperature: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    top_k: NonNegativeInt = 0
    """Only the k most probable tokens; 0 = all."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Only the smallest set of tokens whose probability reaches p (Holtzman et al. 2020)."""


DecodingSearch = Annotated[Greedy | Beam | Sample, Field(discriminator="name")]


class Decoding(Settings):
    """The searches of an experiment and their bounds."""

    validation: DecodingSearch = Greedy()
    """Used at every validation: it runs once per epoch, so keep it cheap."""
    test: DecodingSearch = Beam()
    """Used when a test set is scored."""
    max_length_ratio: Annotated[float, Field(gt=0.0, le=20.0)] = 1.5
    max_length_offset: Annotated[int, Field(ge=1, le=8192)] = 10
    """A hypothesis has at most ratio × source tokens + offset tokens."""
    batch_tokens: PositiveInt = 4096
    """Padded source tokens decoded at once (times the beam size)."""
    cuda_graphs: Annotated[bool, ADDED] = False
    """Decode on a GPU by CUDA graphs: each step of a model of ours runs as one, by a cache of fixed size. Sums are then
    rounded otherwise. Never run on a GPU."""
