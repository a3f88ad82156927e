"""Settings of the stages after the search: confirmation with fresh seeds, and test sets, decoded once."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, field_validator

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


class Confirmation(Settings):
    """The best configuration of each strategy is trained again, whole, with seeds that the search has not seen.

    Validation chose that trial, and with it the luck of its seed; only other seeds separate the two.
    """

    seeds: Annotated[int, Field(ge=2, le=100)] = 3
    """So many: experiment.seed + 1, + 2, …. Each has a baseline of its own, from which all strategies start. Fewer than
    3 decide nothing."""
    margin: Annotated[PositiveFloat | None, ADDED] = None
    """The largest difference that counts as none, in the unit of the metric that ranks: a strategy whose difference to
    its control is shown to be smaller is called equivalent. Not given = none is. It stays as it was when the sweep
    began."""
    prior: Annotated[PowerPrior | None, ADDED] = None
    """From what `plan` and a launch tell which differences the study can find; not given = they tell it in standard
    deviations. No verdict depends on it."""

    def after(self, seed: int) -> tuple[int, ...]:
        """The seeds, where the search has this one."""
        return tuple(range(seed + 1, seed + 1 + self.seeds))


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
