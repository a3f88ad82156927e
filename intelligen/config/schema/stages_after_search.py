"""Settings of the stages after the search: confirmation with fresh seeds, and test sets, decoded once."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, field_validator, model_validator

from intelligen.config.base import ADDED, Name, Settings
from intelligen.config.schema.decoding import Beam, Decoding, DecodingSearch, Greedy, Sample

STAGES = ("baseline", "search", "confirm", "test")
"""In the order in which they run."""

SearchName = Literal["greedy", "beam", "sample"]


class PowerPrior(Settings):
    """How much the difference of a pair of runs varies between seeds, as far as it is known before a study."""

    either = (("sd", "sweep"),)

    sd: PositiveFloat | None = None
    """Its standard deviation, in the unit of the metric that ranks."""
    sweep: Name | None = None
    """In its place: an earlier study in the same runs directory, whose pairs of runs show it."""
    degrees: Annotated[float, Field(ge=1.0, le=1000.0)] = 6.0
    """Degrees of freedom that `sd` is known with: the fewer, the wider is the range of what a study finds. Eight
    strategies with three seeds and one control have about six."""


class SeedRange(Settings):
    """Seeds that are trained one by one, as many as it takes."""

    at_least: Annotated[int, Field(ge=3, le=99)] = 3
    """Before the first look at the test scores."""
    at_most: Annotated[int, Field(ge=4, le=100)]
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

    seeds: Annotated[int, Field(ge=2, le=100)] | SeedRange = 3
    """So many: experiment.seed + 1, + 2, …. Each has a baseline of its own, from which all strategies start. Fewer than
    3 decide nothing. With `until` a range, `{at_least: 3, at_most: 10}`."""
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


class Scoring(Settings):
    """How the test sets are decoded."""

    searches: Annotated[tuple[SearchName, ...], Field(min_length=1)] | None = None
    """Names of the searches that decode every test set, each once, beside the experiment's own (`decoding.test`), which
    always does. One that the experiment uses has its settings there; others have their defaults."""

    @field_validator("searches")
    @classmethod
    def _each_once(cls, names: tuple[SearchName, ...] | None) -> tuple[SearchName, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f"names a search twice: {', '.join(names)}")
        return names

    def of(self, decoding: Decoding) -> tuple[DecodingSearch, ...]:
        """The searches of a trial with these settings; its own comes first."""
        others = (name for name in self.searches or () if name != decoding.test.name)
        return (decoding.test, *(search_named(name, decoding) for name in others))


def scored_as(split: str, search: DecodingSearch | None, decoding: Decoding) -> str:
    """What a split's scores are called: `test` by the trial's own search or by none, `test-greedy` by another."""
    return split if search is None or search.name == decoding.test.name else f"{split}-{search.name}"


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
