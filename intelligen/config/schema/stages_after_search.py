"""Settings of the stages after the search: confirmation with fresh seeds, and test sets, decoded once."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, PositiveFloat, field_validator, model_validator

from intelligen.config.base import ADDED, Name, Settings, comparable
from intelligen.config.schema.decoding import Beam, Decoding, DecodingSearch, Greedy, Mbr, Sample
from intelligen.config.schema.learned_metric import LearnedMetric

STAGES = ("baseline", "search", "confirm", "test")
"""In the order in which they run."""

MOST_SEEDS: Final = 100
"""That confirm one configuration."""

SearchName = Literal["greedy", "beam", "sample", "mbr"]


class PowerPrior(Settings):
    """How much the difference of a pair of runs varies between seeds, as far as it is known before a study.

    With several searches (`search.replicates`), it is how much it varies between searches, each the mean of its runs.
    """

    either = (("sd", "sweep"),)

    sd: PositiveFloat | None = None
    """Its standard deviation, in the unit of the metric that ranks."""
    sweep: Name | None = None
    """Instead of `sd`: an earlier study in the same runs directory, whose pairs of runs show it."""
    degrees: Annotated[float, Field(ge=1.0, le=1000.0)] = 6.0
    """Degrees of freedom of the estimate `sd`. With fewer, the range of what a study can find is wider. Eight
    strategies with three seeds and one control have about six."""


class SeedRange(Settings):
    """Seeds that are trained one by one, as many as it takes."""

    at_least: Annotated[int, Field(ge=3, le=MOST_SEEDS - 1)] = 3
    """Before the first look at the test scores."""
    at_most: Annotated[int, Field(ge=4, le=MOST_SEEDS)]
    """At the last look."""

    @model_validator(mode="after")
    def _leaves_a_choice(self) -> Self:
        if self.at_most <= self.at_least:
            raise ValueError(
                f"at_most must be above at_least ({self.at_least}), got {self.at_most}; for fixed seeds write seeds:"
                f" {self.at_least}, without until and difference"
            )
        return self


class Confirmation(Settings):
    """The best configuration of each strategy is trained again, whole, with seeds that the search has not seen.

    Validation chose that trial, and with it the luck of its seed; only other seeds separate the two.
    """

    seeds: Annotated[int, Field(ge=2, le=MOST_SEEDS)] | SeedRange = 3
    """Number of seeds: experiment.seed + 1, + 2, …. Each has a baseline of its own, from which all strategies start.
    Fewer than 3 decide nothing. With `until` a range, `{at_least: 3, at_most: 10}`. With several searches
    (`search.replicates`) each search has this many, and 2 are enough."""
    until: Annotated[Literal["resolved"] | None, ADDED] = None
    """`resolved`: the study looks at the test scores after `at_least` seeds, and after each further one. A strategy
    takes another seed, and its controls with it, until it is shown to be better or worse than its own control (a better
    one also beside `standard`), or to differ from it by less than `difference`, or is unlikely to be by `at_most`. The
    levels account for all looks. `seeds`, `until` and `difference` stay as they were when the sweep began."""
    difference: Annotated[PositiveFloat | None, ADDED] = None
    """With `until`: the largest difference that counts as none, in the unit of the metric that ranks; it takes the
    place of `margin`."""
    margin: Annotated[PositiveFloat | None, ADDED] = None
    """The largest difference that counts as none, in the unit of the metric that ranks: a strategy whose difference to
    its control is shown to be smaller is called equivalent. Not given = none is. It stays as it was when the sweep
    began."""
    prior: Annotated[PowerPrior | None, ADDED] = None
    """What `plan` and a launch use to compute which differences the study can find; not given = these are in standard
    deviations. No verdict depends on it."""

    @model_validator(mode="after")
    def _plan_is_whole(self) -> Self:
        if (self.until is not None) != isinstance(self.seeds, SeedRange):
            raise ValueError("until: resolved and seeds: {at_least: 3, at_most: 10} go together: give both or neither")
        if (self.until is not None) != (self.difference is not None):
            raise ValueError("until: resolved and difference: NUMBER go together: give both or neither")
        if self.until is not None and self.margin is not None:
            raise ValueError("difference takes the place of margin where there is `until`; leave margin out")
        return self

    @property
    def at_least(self) -> int:
        """So many seeds are trained in any case."""
        return self.seeds.at_least if isinstance(self.seeds, SeedRange) else self.seeds

    @property
    def at_most(self) -> int:
        """So many seeds may be trained."""
        return self.seeds.at_most if isinstance(self.seeds, SeedRange) else self.seeds

    @property
    def counts_as_none(self) -> float | None:
        """The largest difference that counts as none; None = no difference does."""
        return self.margin if self.until is None else self.difference

    def after(self, seed: int) -> tuple[int, ...]:
        """The seeds that may be trained, where the search has this one."""
        return tuple(range(seed + 1, seed + 1 + self.at_most))


class BeamSize(Settings):
    """The experiment's beam search with a size of its own, and with the same length penalty."""

    beam: Annotated[int, Field(ge=1, le=256)]
    """Prefixes per source."""


class Scoring(Settings):
    """How the test sets are decoded."""

    searches: Annotated[tuple[SearchName | BeamSize, ...], Field(min_length=1)] | None = None
    """The searches that decode every test set, each once, beside the experiment's own (`decoding.test`), which always
    does. One that the experiment uses has its settings there; others have their defaults. Beam sizes, such as
    `[{beam: 1}, {beam: 4}, {beam: 16}]`, make a beam curve."""
    learned_metric: Annotated[LearnedMetric | None, ADDED] = None
    """Also score every test set by this model, as `test/learned`. For tasks whose models write text."""

    @field_validator("searches")
    @classmethod
    def _each_once(cls, searches: tuple[SearchName | BeamSize, ...] | None) -> tuple[SearchName | BeamSize, ...] | None:
        if searches is not None and len(set(searches)) < len(searches):
            named = [one if isinstance(one, str) else f"{{beam: {one.beam}}}" for one in searches]
            raise ValueError(f"names a search twice: {', '.join(named)}")
        return searches

    def of(self, decoding: Decoding) -> tuple[DecodingSearch, ...]:
        """The searches of a trial with these settings, each once; its own comes first."""
        others = [
            search_named(one, decoding) if isinstance(one, str) else beam_of(one.beam, decoding)
            for one in self.searches or ()
        ]
        return tuple(dict.fromkeys((decoding.test, *others)))

    @property
    def has_beam_sizes(self) -> bool:
        """Whether test sets are decoded by several sizes of a beam."""
        return any(isinstance(one, BeamSize) for one in self.searches or ())


def scored_as(split: str, search: DecodingSearch | None, decoding: Decoding) -> str:
    """What a split's scores are called: `test` by the trial's own search or by none, `test-greedy` by another."""
    if search is None or (label := search_label(search, decoding)) == decoding.test.name:
        return split
    return f"{split}-{label}"


def search_label(search: DecodingSearch, decoding: Decoding) -> str:
    """`beam` where a search has the settings of that name (`search_named`), else those that differ: `beam_size8`."""
    usual, given = comparable(search_named(search.name, decoding)), comparable(search)
    return "_".join([search.name, *(f"{key}{_spelt(value)}" for key, value in given.items() if value != usual[key])])


def possible_labels(search: SearchName | BeamSize) -> tuple[str, ...]:
    """What a trial may call one of `test.searches`, whatever its own searches are."""
    return (search,) if isinstance(search, str) else (f"beam_size{search.beam}", "beam")


def _spelt(value: JsonValue) -> str:
    """As part of a file's name: `length1.0` for a group of settings."""
    return "".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def beam_of(size: int, decoding: Decoding) -> DecodingSearch:
    """The experiment's beam search, with another size."""
    return search_named("beam", decoding).model_copy(update={"size": size})


def search_named(name: SearchName, decoding: Decoding) -> DecodingSearch:
    """The search of that name, with the settings that it has in the experiment, else with its defaults."""
    for own in (decoding.test, decoding.validation):
        if own.name == name:
            return own
    match name:
        case "greedy":
            return Greedy()
        case "beam":
            return Beam()
        case "sample":
            return Sample()
        case "mbr":
            return Mbr()
