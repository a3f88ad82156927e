"""From a strategy's settings to the strategy: one match over the union, checked by the type checker."""

from collections.abc import Callable
from typing import assert_never

from torch import nn

from intelligen.config.declarations import PluginStrategy, unmet
from intelligen.config.document import raise_problems
from intelligen.config.experiment import Trial
from intelligen.config.mixture import Intelligen, Member
from intelligen.config.plugins import built
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
from intelligen.config.strategies import STRATEGIES
from intelligen.config.strategies import Strategy as StrategySettings
from intelligen.models.interfaces import Generator
from intelligen.strategies.auxiliary import AuxiliaryObjective
from intelligen.strategies.base import Objective, Strategy
from intelligen.strategies.discriminator import Judge, build_discriminator
from intelligen.strategies.generative import GenerativeObjective
from intelligen.strategies.guard import RollBackGuard
from intelligen.strategies.intelligen import IntelligenObjective, build_policy
from intelligen.strategies.parts import Parts
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

    Raises:
        ConfigError: It needs what the model does not offer, or it is a plugin's that builds no objective.

    """
    raise_problems(list(unmet(trial.strategy, trial.model, names=(trial.strategy.name, trial.model.name))))
    return Strategy(
        model,
        _objective(trial.strategy, Parts(trial, model, wrap, decode, world_size)),
        wrap=wrap,
        training=trial.training,
        total_updates=total_updates,
        world_size=world_size,
    )


def _objective(settings: StrategySettings, parts: Parts) -> Objective:
    """What an update learns from."""
    smoothing, teacher = parts.label_smoothing, parts.teacher
    match settings:
        case PluginStrategy():
            return built(STRATEGIES.installed(settings.name), Objective, settings, parts)
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
                decode=parts.decode,
                tokenizer=parts.trial.task.tokenizer,
                rollout_bound=parts.rollout_bound,
            )
        case SeqGan() | SeqGanRandom():
            return _adversarial(settings, parts, judge=_judge(settings, parts))
        case SeqGanConstant():
            return _adversarial(settings, parts, judge=None)
        case Intelligen():
            return _mixture(settings, parts)
        case other:
            assert_never(other)


def _adversarial(settings: Adversarial, parts: Parts, *, judge: Judge | None) -> SeqGanObjective:
    return SeqGanObjective(
        settings,
        model=parts.model,
        judge=judge,
        teacher=parts.teacher,
        decode=parts.decode,
        tokenizer=parts.trial.task.tokenizer,
        rollout_bound=parts.rollout_bound,
        precision=parts.trial.training.precision,
    )


def _judge(settings: SeqGan | SeqGanRandom, parts: Parts) -> Judge:
    return Judge(
        build_discriminator(settings.discriminator, parts.model, seed=parts.trial.seed),
        settings.discriminator,
        wrap=parts.wrap,
        training=parts.trial.training,
        world_size=parts.world_size,
        frozen=isinstance(settings, SeqGanRandom),
    )


def _mixture(settings: Intelligen, parts: Parts) -> IntelligenObjective:
    task = parts.trial.task
    selection = Selection(task.selection_metric)
    members: dict[Member, Objective] = {name: _objective(getattr(settings, name), parts) for name in settings.members()}
    return IntelligenObjective(
        members,
        policy=build_policy(settings.policy, selection=selection, watched=task.watched_metric, seed=parts.trial.seed),
        guard=RollBackGuard(settings.guard, selection=selection),
    )
