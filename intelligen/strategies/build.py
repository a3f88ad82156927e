"""From a strategy's settings to the strategy: one match over the union, checked by the type checker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from torch import nn

from intelligen.config.experiment import Trial
from intelligen.config.mixture import Intelligen, Member
from intelligen.config.single_strategies import (
    Adversarial,
    Auxiliary,
    Generative,
    Recurrent,
    SeqGan,
    SeqGanConstant,
    SeqGanRandom,
    Standard,
    StandardMatched,
)
from intelligen.config.strategies import Strategy as StrategySettings
from intelligen.decoding.bounds import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.strategies.auxiliary import AuxiliaryObjective
from intelligen.strategies.base import Objective, Strategy
from intelligen.strategies.discriminator import Judge, build_discriminator
from intelligen.strategies.generative import GenerativeObjective
from intelligen.strategies.guard import RollBackGuard
from intelligen.strategies.intelligen import IntelligenObjective, build_policy, members_of
from intelligen.strategies.policies import Selection
from intelligen.strategies.recurrent import RecurrentObjective
from intelligen.strategies.rewards import Decode
from intelligen.strategies.seqgan import SeqGanObjective
from intelligen.strategies.standard import TeacherForcing


def build_strategy(
    trial: Trial,
    *,
    model: Generator,
    wrap: Callable[[nn.Module], nn.Module],
    decode: Decode,
    total_updates: int,
    world_size: int,
) -> Strategy:
    """The strategy of a trial over a model.

    Args:
        trial: Complete settings.
        model: The unwrapped model on its device, with the weights that training starts from.
        wrap: Makes a module all-reduce its gradients, where there are several ranks.
        decode: Target token ids → text.
        total_updates: Length of the run.
        world_size: Ranks that share an update.

    """
    return Strategy(
        model,
        _Parts(trial, model, wrap, decode, world_size).objective(trial.strategy),
        wrap=wrap,
        training=trial.training,
        total_updates=total_updates,
        world_size=world_size,
    )


@dataclass(frozen=True)
class _Parts:
    """What objectives are made from."""

    trial: Trial
    model: Generator
    wrap: Callable[[nn.Module], nn.Module]
    decode: Decode
    world_size: int

    def objective(self, settings: StrategySettings) -> Objective:
        """What an update learns from."""
        smoothing = self.trial.training.label_smoothing
        teacher = TeacherForcing(label_smoothing=smoothing)
        match settings:
            case Standard(r_drop=r_drop) | StandardMatched(r_drop=r_drop):
                return TeacherForcing(label_smoothing=smoothing, r_drop=r_drop)
            case Auxiliary():
                return AuxiliaryObjective(settings, teacher=teacher, label_smoothing=smoothing)
            case Recurrent():
                return RecurrentObjective(settings, teacher=teacher, label_smoothing=smoothing)
            case Generative():
                return GenerativeObjective(
                    settings,
                    teacher=teacher,
                    label_smoothing=smoothing,
                    decode=self.decode,
                    tokenizer=self.trial.task.tokenizer,
                    rollout_bound=self._rollout_bound,
                )
            case SeqGan() | SeqGanRandom():
                return self._adversarial(settings, judge=self._judge(settings))
            case SeqGanConstant():
                return self._adversarial(settings, judge=None)
            case Intelligen():
                return self._mixture(settings)
            case other:
                assert_never(other)

    def _adversarial(self, settings: Adversarial, *, judge: Judge | None) -> SeqGanObjective:
        return SeqGanObjective(
            settings,
            model=self.model,
            judge=judge,
            teacher=TeacherForcing(label_smoothing=self.trial.training.label_smoothing),
            decode=self.decode,
            tokenizer=self.trial.task.tokenizer,
            rollout_bound=self._rollout_bound,
            precision=self.trial.training.precision,
        )

    def _judge(self, settings: SeqGan | SeqGanRandom) -> Judge:
        return Judge(
            build_discriminator(settings.discriminator, self.model, seed=self.trial.seed),
            settings.discriminator,
            wrap=self.wrap,
            training=self.trial.training,
            world_size=self.world_size,
            frozen=isinstance(settings, SeqGanRandom),
        )

    def _mixture(self, settings: Intelligen) -> IntelligenObjective:
        selection = Selection(self.trial.task.selection_metric)
        members: dict[Member, Objective] = {
            name: self.objective(getattr(settings, name)) for name in members_of(settings)
        }
        return IntelligenObjective(
            members,
            policy=build_policy(
                settings.policy, selection=selection, watched=self.trial.task.watched_metric, seed=self.trial.seed
            ),
            guard=RollBackGuard(settings.guard, selection=selection),
        )

    @property
    def _rollout_bound(self) -> LengthBound:
        return LengthBound.of(self.trial.decoding)
