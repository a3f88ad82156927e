"""Settings of the strategies that train on the model's own output, by a reference or a reward: only what each reads."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from intelligen.config.base import Settings
from intelligen.config.schema.declarations import GENERATION, MATCHED, STANDARD, StrategySettings
from intelligen.config.schema.probability_schedule import ProbabilitySchedule, Share

Temperature = Annotated[float, Field(gt=0.0, le=10.0)]


class _Interleaved(StrategySettings):
    """What all of them share: a share of the updates is generative, and the others are teacher-forced."""

    probability: ProbabilitySchedule = ProbabilitySchedule()
    """ρ: the share of generative updates; the source project's is one in ten. Sensible: 0.05–0.5."""
    mle_weight: NonNegativeFloat = 0.5
    """Weight of teacher-forced cross entropy inside a generative update."""
    generative_weight: PositiveFloat = 0.5
    """Weight of the generative loss inside a generative update."""


class _Truncated(Settings):
    """What sampling keeps."""

    top_k: NonNegativeInt = 0
    """Sampling keeps only the k most probable tokens; 0 = all."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Sampling keeps only the smallest set of tokens whose probability reaches p."""


class Rewarded(_Interleaved, _Truncated):
    """What the strategies share that learn from a reward of sampled hypotheses."""

    reward: Literal["bleu", "chrf"] = "chrf"
    """Smoothed sentence BLEU or sentence chrF, both in 0–1."""
    temperature: Temperature = 1.0
    """Of the samples."""
    max_length: PositiveInt | None = None
    """Bound of a rollout in tokens; not given = the decoding bound."""


class GenerativePosition(_Interleaved, _Truncated):
    """A share of the updates compares the model's own free-running output with the reference, position by position."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["generative_position"] = "generative_position"
    temperature: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Of the rollout; 0 = argmax, on which `top_k` and `top_p` have no effect."""


class GenerativeRisk(Rewarded):
    """A share of the updates minimises the expected risk over sampled candidates (Shen et al. 2016)."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["generative_risk"] = "generative_risk"
    candidates: Annotated[int, Field(ge=2, le=64)] = 4
    """n: sampled hypotheses per source; sensible: 4–16."""
    alpha: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Sharpness of the candidate distribution Q(u) = p(u)^α / Σ p^α, applied to length-normalised log p."""


class GenerativeSelfCritical(Rewarded):
    """A share of the updates is REINFORCE with the greedy hypothesis' reward as baseline (Rennie et al. 2017)."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["generative_self_critical"] = "generative_self_critical"


class GenerativeOffpolicy(_Interleaved):
    """A share of the updates weights the reference's tokens by the model's own probability of them, without a rollout
    (GOLD-δ, Pang & He 2021).
    """

    needs = (GENERATION,)
    controls = (STANDARD,)
    costlier = False
    control_for = None

    name: Literal["generative_offpolicy"] = "generative_offpolicy"
    min_importance: Share = 0.1
    """Floor of the importance weights (Pang & He 2021 clip from below)."""


GenerativeTreatment = GenerativePosition | GenerativeRisk | GenerativeSelfCritical | GenerativeOffpolicy
Target = Literal["gold_position", "risk", "self_critical", "gold_offpolicy"]
TREATMENTS: dict[Target, type[GenerativeTreatment]] = {
    "gold_position": GenerativePosition,
    "risk": GenerativeRisk,
    "self_critical": GenerativeSelfCritical,
    "gold_offpolicy": GenerativeOffpolicy,
}
"""Value of `target` → the strategy that it names."""


class Generative(_Interleaved, _Truncated):
    """One of the four generative strategies, which `target` names: in earlier files, and inside `intelligen`."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["generative"] = "generative"
    target: Target = "gold_position"
    """`gold_position` is `generative_position`, `risk` is `generative_risk`, `self_critical` is
    `generative_self_critical` and `gold_offpolicy` is `generative_offpolicy`. The settings that the named strategy
    does not have change nothing."""
    candidates: Annotated[int, Field(ge=2, le=64)] = 4
    """Of `generative_risk`."""
    alpha: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Of `generative_risk`."""
    reward: Literal["bleu", "chrf"] = "chrf"
    """Of `generative_risk` and `generative_self_critical`."""
    temperature: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Of the rollout; 0 = argmax. `risk` and `self_critical` sample, so 0 means 1 there."""
    min_importance: Share = 0.1
    """Of `generative_offpolicy`."""
    max_length: PositiveInt | None = None
    """Of `generative_risk` and `generative_self_critical`."""

    def treatment(self) -> GenerativeTreatment:
        """The strategy that `target` names, with those of these settings that it has."""
        named = TREATMENTS[self.target]
        common = (named.model_fields.keys() & type(self).model_fields.keys()) - {"name"}
        settings = {name: getattr(self, name) for name in common}
        if issubclass(named, Rewarded):
            settings["temperature"] = self.temperature or 1.0
        return named(**settings)
