"""Decoding settings: greedy, beam search or sampling, with their bounds."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from intelligen.config.base import Settings


class Greedy(Settings):
    """The most probable token, one position after the other."""

    name: Literal["greedy"] = "greedy"


class Beam(Settings):
    """The `size` most probable prefixes, one position after the other."""

    name: Literal["beam"] = "beam"
    size: Annotated[int, Field(ge=1, le=256)] = 4
    length_penalty: Annotated[float, Field(ge=0.0, le=5.0)] = 0.6
    """α of Wu et al. (2016), eq. 14; 0 = none."""


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
