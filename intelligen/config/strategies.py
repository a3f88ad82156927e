"""The training strategies' knobs. A strategy's settings ARE the documentation of its search space."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from intelligen.config.base import Settings

ALIASES = {"std": "standard", "gen": "generative"}


class Standard(Settings):
    """Teacher forcing: label-smoothed cross entropy given the reference's prefix."""

    name: Literal["standard"] = "standard"
    r_drop: NonNegativeFloat = 0.0
    """Weight of the symmetric KL divergence between two dropout passes, beside the mean of their cross entropies: half
    the α of Liang et al. (2021). Sensible: 0–2.5."""


class ProbabilitySchedule(Settings):
    """A probability that moves from `start` to `end` over the run's updates."""

    shape: Literal["constant", "linear", "cosine"] = "constant"
    start: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    end: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Not given = `start`."""

    @model_validator(mode="after")
    def _constant_has_no_end(self) -> "ProbabilitySchedule":
        if self.shape == "constant" and self.end not in (None, self.start):
            raise ValueError(f"a constant schedule cannot end elsewhere (start {self.start}, end {self.end})")
        return self


class Generative(Settings):
    """A share of the updates trains on the model's own free-running output; the others are teacher-forced."""

    name: Literal["generative"] = "generative"
    probability: ProbabilitySchedule = ProbabilitySchedule()
    """ρ: the share of generative updates; the source project's is one in ten. Sensible: 0.05–0.5."""
    target: Literal["gold_position", "risk", "self_critical", "gold_offpolicy"] = "gold_position"
    """`gold_position`: cross entropy with the reference, position by position, after the model's own prefix.
    `risk`: minimum risk (Shen et al. 2016) over sampled candidates.
    `self_critical`: REINFORCE with the greedy hypothesis' reward as baseline (Rennie et al. 2017).
    `gold_offpolicy`: reference tokens weighted by the model's own probability of them (GOLD-δ, Pang & He 2021)."""
    mle_weight: NonNegativeFloat = 0.5
    """Weight of teacher-forced cross entropy inside a generative update."""
    generative_weight: Annotated[float, Field(gt=0.0)] = 0.5
    """Weight of the generative loss inside a generative update."""
    candidates: Annotated[int, Field(ge=2, le=64)] = 4
    """n: sampled hypotheses per source (`risk`); sensible: 4–16."""
    alpha: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Sharpness of the candidate distribution Q(u) = p(u)^α / Σ p^α (`risk`), applied to length-normalised log p."""
    reward: Literal["bleu", "chrf"] = "chrf"
    """Smoothed sentence BLEU or sentence chrF, both in 0–1."""
    temperature: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Of the rollout; 0 = argmax. `risk` and `self_critical` sample, so 0 stands for 1 there."""
    top_k: NonNegativeInt = 0
    """Sampling keeps only the k most probable tokens; 0 = all."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Sampling keeps only the smallest set of tokens whose probability reaches p."""
    min_importance: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Floor of `gold_offpolicy`'s importance weights (Pang & He 2021 clip from below)."""
    max_length: PositiveInt | None = None
    """Bound of a rollout in tokens; not given = the decoding bound. `gold_position` ends with the reference instead."""


Strategy = Annotated[Standard | Generative, Field(discriminator="name")]
STRATEGY_NAMES = ("standard", "generative")
