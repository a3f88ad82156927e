"""Settings of a probability that moves over a run's updates."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from intelligen.config.base import Settings

Share = Annotated[float, Field(ge=0.0, le=1.0)]
SHAPES = ("constant", "linear", "cosine", "exponential", "inverse_sigmoid")


class ProbabilitySchedule(Settings):
    """A probability that moves from `start` to `end` over the run's updates: end + (start − end)·f(i).

    i counts the updates from 0. `linear` and `cosine` fall from 1 to 0 at the last update; `exponential` is k^i and
    `inverse_sigmoid` is k / (k + exp(i/k)), from k / (k + 1) on (Bengio et al. 2015, sec. 2.4), and both only near 0.
    """

    shape: Literal["constant", "linear", "cosine", "exponential", "inverse_sigmoid"] = "constant"
    start: Share = 0.1
    end: Share | None = None
    """Of all shapes but `constant`."""
    k: PositiveFloat | None = None
    """Of `exponential`: 0 < k < 1, sensible 0.9–0.999. Of `inverse_sigmoid`: k ≥ 1; half-way is at k·ln k updates."""

    @model_validator(mode="after")
    def _shape_fits(self) -> "ProbabilitySchedule":
        if self.shape == "constant" and self.end not in (None, self.start):
            raise ValueError(f"a constant schedule cannot end elsewhere (start {self.start}, end {self.end})")
        if self.shape != "constant" and self.end is None:
            raise ValueError(f"shape {self.shape} needs end")
        if self.shape in ("exponential", "inverse_sigmoid") and self.k is None:
            raise ValueError(f"shape {self.shape} needs k")
        if self.shape == "exponential" and self.k is not None and self.k >= 1:
            raise ValueError(f"shape exponential is k^i: k must be below 1, got {self.k}")
        if self.shape == "inverse_sigmoid" and self.k is not None and self.k < 1:
            raise ValueError(f"shape inverse_sigmoid needs k of at least 1, got {self.k}")
        return self
