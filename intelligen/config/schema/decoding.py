"""Decoding settings: greedy, beam search, sampling or minimum Bayes risk, with their bounds."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from intelligen.config.base import ADDED, Settings

Utility = Literal["chrf", "bleu"]


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


class Mbr(Settings):
    """Minimum Bayes risk: of `samples` drawn hypotheses the one that is most like all of them (Eikema and Aziz 2020).

    Each is scored by its mean utility, with every drawn hypothesis, itself included, as the reference.
    """

    name: Literal["mbr"] = "mbr"
    samples: Annotated[int, Field(ge=2, le=256)] = 32
    """Hypotheses drawn for each source. Decoding takes this many times as long as `sample`. The cost of utilities grows
    with the square."""
    utility: Utility = "chrf"
    """Sentence chrF, or smoothed sentence BLEU with the task's tokenizer, by sacreBLEU's rules."""
    temperature: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """This key and the next two mean the same as for `sample`."""
    top_k: NonNegativeInt = 0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0

    @property
    def drawing(self) -> Sample:
        """How each hypothesis is drawn."""
        return Sample(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p)


DecodingSearch = Annotated[Greedy | Beam | Sample | Mbr, Field(discriminator="name")]


def draws_of(search: DecodingSearch) -> int:
    """Hypotheses that a search draws for each source; 0 where it draws none."""
    return search.samples if isinstance(search, Mbr) else int(isinstance(search, Sample))


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
    """Decode on a GPU by CUDA graphs: each step of a model of ours runs as one graph, with a cache of fixed size. Sums
    are then rounded differently. Never run on a GPU."""
