"""Settings of the `intelligen` strategy: which single strategies it mixes, and which policy weighs them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal, assert_never, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from intelligen.config.base import Settings
from intelligen.config.schema.declarations import GENERATION, MATCHED, STANDARD, Need, StrategySettings
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule, Share
from intelligen.config.schema.single_strategies import Auxiliary, Recurrent, SeqGan, Standard

MixtureMember = Literal["standard", "auxiliary", "recurrent", "generative", "seqgan"]


class Weights(Settings):
    """Probabilities of the single strategies; they sum to 1."""

    standard: Share = 0.0
    auxiliary: Share = 0.0
    recurrent: Share = 0.0
    generative: Share = 0.0
    seqgan: Share = 0.0

    @model_validator(mode="after")
    def _one_in_all(self) -> "Weights":
        total = sum(self.model_dump().values())
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"the weights must sum to 1, got {total:.6g}")
        return self

    def positive(self) -> dict[MixtureMember, float]:
        """The strategies with a weight above 0."""
        members: tuple[MixtureMember, ...] = get_args(MixtureMember)
        return {name: getattr(self, name) for name in members if getattr(self, name) > 0}


class Static(Settings):
    """The same weights at every update."""

    name: Literal["static"] = "static"
    weights: Weights = Weights(standard=0.5, recurrent=0.25, generative=0.25)


class Stage(Settings):
    """One stage of a curriculum, and the gate at which it ends."""

    weights: Weights
    until_share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """It ends at this share of the run's updates."""
    until_epochs_without_gain: PositiveInt | None = None
    """It ends after this many of its epochs in a row without a better validation score than before."""


class Curriculum(Settings):
    """Ordered stages; each ends at its gate, the last with the run."""

    name: Literal["curriculum"] = "curriculum"
    stages: Annotated[tuple[Stage, ...], Field(min_length=2)] = (
        Stage(weights=Weights(standard=1.0), until_share=0.25),
        Stage(weights=Weights(standard=0.5, recurrent=0.5), until_share=0.6),
        Stage(weights=Weights(standard=0.3, recurrent=0.3, generative=0.4)),
    )

    @model_validator(mode="after")
    def _gates_in_order(self) -> "Curriculum":
        for number, stage in enumerate(self.stages[:-1], start=1):
            if (stage.until_share is None) == (stage.until_epochs_without_gain is None):
                raise ValueError(f"stage {number} needs one gate: until_share or until_epochs_without_gain")
        last = self.stages[-1]
        if last.until_share is not None or last.until_epochs_without_gain is not None:
            raise ValueError("the last stage ends with the run: it has no gate")
        shares = [stage.until_share for stage in self.stages if stage.until_share is not None]
        if shares != sorted(set(shares)):
            raise ValueError(f"until_share must rise from stage to stage, got {shares}")
        return self


class Gap(Settings):
    """The larger the measured exposure gap, the more updates the costlier strategies take.

    The gap is teacher-forced minus free-running token accuracy on the validation set, smoothed over epochs.
    """

    name: Literal["gap"] = "gap"
    gain: PositiveFloat = 1.0
    """Their share of the updates is gain × gap, at most `largest_share`."""
    largest_share: Share = 0.7
    memory: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Weight of the former gap in the moving average."""
    weights: Weights = Weights(recurrent=0.5, generative=0.5)
    """How their share is divided. `standard` has no weight here: it takes the rest."""

    @model_validator(mode="after")
    def _standard_is_the_rest(self) -> "Gap":
        if self.weights.standard > 0:
            raise ValueError("weights.standard must be 0: standard takes what the gap leaves")
        return self


class Bandit(Settings):
    """EXP3 (Auer et al. 2002) over strategies: one trains for an epoch; the gain in validation is its reward."""

    name: Literal["bandit"] = "bandit"
    arms: Annotated[tuple[MixtureMember, ...], Field(min_length=2)] = ("standard", "recurrent", "generative")
    exploration: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    """γ: share of the choices made at random; sensible: 0.05–0.3."""
    per: Literal["second", "update"] = "second"
    """The reward is the change of validation chrF per second of training, or per update (which repeats exactly)."""

    @model_validator(mode="after")
    def _distinct(self) -> "Bandit":
        if len(set(self.arms)) != len(self.arms):
            raise ValueError("an arm occurs twice")
        return self


class Guard(Settings):
    """Rolls back to the last good weights if the mixture does harm."""

    drop: NonNegativeFloat | None = 1.0
    """δ: a drop of the selection metric below its best by more than this counts; in points of BLEU or chrF, in nats
    of loss. None = no guard."""
    patience: PositiveInt = 2
    """After this many such epochs in a row, the weights go back and the mass of all strategies but `standard` is
    halved."""


class DrawnGenerative(Generative):
    """`generative` as a part of a mixture: once drawn, an update is generative, unless ρ is given."""

    probability: ProbabilitySchedule = ProbabilitySchedule(start=1.0)
    """ρ: the share of generative updates among those that are drawn for this strategy."""


class DrawnSeqGan(SeqGan):
    """`seqgan` as a part of a mixture: once drawn, an update is adversarial, unless a ratio is given."""

    mle_ratio: Share = 0.0
    """Share of purely teacher-forced updates among those that are drawn for this strategy."""


class Intelligen(StrategySettings):
    """A mixture over the single strategies: each update takes one of them, as the policy decides."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["intelligen"] = "intelligen"
    policy: Annotated[Static | Curriculum | Gap | Bandit, Field(discriminator="name")] = Static()
    guard: Guard = Guard()
    standard: Standard = Standard()
    auxiliary: Auxiliary = Auxiliary()
    recurrent: Recurrent = Recurrent()
    generative: DrawnGenerative = DrawnGenerative()
    seqgan: DrawnSeqGan = DrawnSeqGan()

    def members(self) -> tuple[MixtureMember, ...]:
        """The strategies that an update can ever take: the policy's, and `standard`, to which the guard moves mass."""
        chosen: set[MixtureMember] = {"standard"}
        match self.policy:
            case Static(weights=weights) | Gap(weights=weights):
                chosen.update(weights.positive())
            case Curriculum(stages=stages):
                for stage in stages:
                    chosen.update(stage.weights.positive())
            case Bandit(arms=arms):
                chosen.update(arms)
            case other:
                assert_never(other)
        members: tuple[MixtureMember, ...] = get_args(MixtureMember)
        return tuple(member for member in members if member in chosen)

    def outdated(self) -> str | None:
        """R-Drop inside a mixture, of which it is no member."""
        return "standard.r_drop: no mixture has R-Drop; remove it" if self.standard.outdated() else None

    def needed(self) -> Iterator[Need]:
        """What the mixture asks of the network, and what its members do."""
        yield from super().needed()
        for member in self.members():
            own: StrategySettings = getattr(self, member)
            yield from (replace(need, setting=f"{member}.{need.setting}") for need in own.needed() if need.setting)
