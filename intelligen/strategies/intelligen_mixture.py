"""The `intelligen` strategy: each update belongs to one strategy, drawn from a policy's weights."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, assert_never

from intelligen.config.schema.strategy_mixture import Bandit, Curriculum, Gap, MixtureMember, Static
from intelligen.data.batches import Batch
from intelligen.models.interfaces import Generator
from intelligen.optimization import Loss, MetricSums
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.mixture_policies import (
    BanditPolicy,
    CurriculumPolicy,
    GapPolicy,
    Policy,
    Selection,
    StaticPolicy,
)
from intelligen.strategies.roll_back_guard import RollBackGuard

HEARD_GROUPS = ("train", "valid", "time")
"""Groups of metrics that reach controllers: no test score ever steers training."""


class IntelligenCriterion(Criterion):
    """A mixture of single strategies, which draw as if each trained alone.

    Args:
        members: The strategies that the policy can choose, and `standard`.
        policy: Sets the weights.
        guard: Asks for roll-backs and moves mass to `standard`.

    """

    def __init__(self, members: Mapping[MixtureMember, Criterion], *, policy: Policy, guard: RollBackGuard) -> None:
        assert "standard" in members
        self._members = dict(members)
        self._policy = policy
        self._guard = guard
        self._chosen: Criterion | None = None

    def prepare(self, micro_batches: Sequence[Batch], step: UpdateContext) -> MetricSums:
        """Draw the update's strategy, alike on all ranks, and let it prepare; reports who was drawn."""
        drawn = draw_strategy(self._guard.guarded(self._policy.weights(step)), step.uniform("intelligen"))
        self._chosen = self._members[drawn]
        sums = MetricSums({f"train/share_{name}": (float(name == drawn), 1) for name in self._members})
        sums.add(MetricSums({"train/guard_mass": (self._guard.mass, 1)}))
        sums.add(self._chosen.prepare(micro_batches, step))
        return sums

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The drawn strategy's loss."""
        assert self._chosen is not None, "prepare comes first"
        return self._chosen(model, batch, step)

    def observe(self, metrics: Mapping[str, float], *, epoch: int) -> bool:
        """Inform policy, guard and all strategies; whether the guard or any strategy asks to go back."""
        heard = {name: value for name, value in metrics.items() if name.partition("/")[0] in HEARD_GROUPS}
        # A list, since each is to hear it, whatever the others ask for.
        back = any([self._guard.observe(heard), *(m.observe(heard, epoch=epoch) for m in self._members.values())])
        self._policy.observe(heard, epoch=epoch, rolled_back=back)
        return back

    def divergence(self) -> str | None:
        """The first strategy's that diverged."""
        return next((why for member in self._members.values() if (why := member.divergence())), None)

    def state_dict(self) -> dict[str, Any]:
        """What policy and guard know, and every strategy's own state."""
        return {
            "controller": {"policy": self._policy.state_dict(), "guard": self._guard.state_dict()},
            "members": {name: member.state_dict() for name, member in self._members.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._policy.load_state_dict(state["controller"]["policy"])
        self._guard.load_state_dict(state["controller"]["guard"])
        for name, member in self._members.items():
            member.load_state_dict(state["members"][name])

    def roll_back(self, state: dict[str, Any]) -> None:
        """The strategies go back with the weights; policy and guard keep what they learnt, this harm above all."""
        for name, member in self._members.items():
            member.roll_back(state["members"][name])


def draw_strategy(weights: Mapping[MixtureMember, float], uniform: float) -> MixtureMember:
    """The strategy in whose share a number from [0, 1) falls, the shares lying side by side in their order."""
    bounds = list(accumulate(weights.values()))
    return list(weights)[bisect(bounds, uniform * bounds[-1])]


def build_policy(
    settings: Static | Curriculum | Gap | Bandit, *, selection: Selection, watched: str, seed: int
) -> Policy:
    """The policy that the settings name.

    Args:
        settings: Complete settings.
        selection: The selection metric, which curricula listen to.
        watched: The validation metric that pays a bandit.
        seed: The trial's, for a bandit's draws.

    """
    match settings:
        case Static():
            return StaticPolicy(settings)
        case Curriculum():
            return CurriculumPolicy(settings, selection=selection)
        case Gap():
            return GapPolicy(settings)
        case Bandit():
            return BanditPolicy(settings, seed=seed, watched=watched)
        case other:
            assert_never(other)
