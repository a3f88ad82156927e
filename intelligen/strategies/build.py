"""Builds strategies from their settings: one match over the union, checked by the type checker."""

from collections.abc import Callable
from typing import Any, assert_never

from torch import nn

from intelligen.config.document import raise_problems
from intelligen.config.schema.declarations import PluginStrategy
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import (
    Generative,
    GenerativeOffpolicy,
    GenerativePosition,
    GenerativeRisk,
    GenerativeSelfCritical,
)
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.plugins import built
from intelligen.config.schema.single_strategies import (
    Adversarial,
    Auxiliary,
    RDrop,
    Recurrent,
    SeqGan,
    SeqGanConstant,
    SeqGanRandom,
    Standard,
    StandardMatched,
)
from intelligen.config.schema.strategies import STRATEGIES
from intelligen.config.schema.strategies import Strategy as StrategySettings
from intelligen.config.schema.strategy_mixture import Intelligen, MixtureMember
from intelligen.strategies.auxiliary import AuxiliaryCriterion
from intelligen.strategies.auxiliary_lm import AuxiliaryLmCriterion
from intelligen.strategies.base import Criterion, Strategy
from intelligen.strategies.criterion_parts import CriterionParts, TaskLoss
from intelligen.strategies.discriminator import DiscriminatorTrainer, build_discriminator
from intelligen.strategies.generative import GenerativeCriterion
from intelligen.strategies.intelligen_mixture import IntelligenCriterion, build_policy
from intelligen.strategies.mixture_policies import Selection
from intelligen.strategies.recurrent import RecurrentCriterion
from intelligen.strategies.rewards import Decode
from intelligen.strategies.roll_back_guard import RollBackGuard
from intelligen.strategies.seqgan import SeqGanCriterion
from intelligen.strategies.teacher_forcing import Supervised, TeacherForcing


def build_strategy(
    trial: Trial,
    *,
    model: Any,
    wrap: Callable[[nn.Module], nn.Module],
    decode: Decode,
    loss: TaskLoss,
    total_updates: int,
    world_size: int,
) -> Strategy:
    """The strategy of a trial over a model.

    Args:
        trial: Complete settings.
        model: The unwrapped model on its device, with the weights that training starts from.
        wrap: Makes a module all-reduce its gradients, where there are several ranks.
        decode: Target token ids → text.
        loss: What the task minimises by itself, where its models write nothing.
        total_updates: Length of the run.
        world_size: Ranks that share an update.

    Raises:
        ConfigError: It needs what the model does not offer, or it is a plugin's that builds no criterion.

    """
    raise_problems(list(unmet(trial.task, trial.strategy, trial.model)))
    return Strategy(
        model,
        _criterion(trial.strategy, CriterionParts(trial, model, wrap, decode, loss, world_size)),
        wrap=wrap,
        training=trial.training,
        total_updates=total_updates,
        world_size=world_size,
    )


def _criterion(settings: StrategySettings, parts: CriterionParts) -> Criterion[Any, Any]:
    """What an update learns from."""
    smoothing, teacher = parts.label_smoothing, parts.teacher
    match settings:
        case PluginStrategy():
            return built(STRATEGIES.installed(settings.name), Criterion, settings, parts)
        case Standard() | StandardMatched() if not parts.trial.task.writes_text:
            return Supervised(parts.loss)
        case Standard(r_drop=r_drop) | StandardMatched(r_drop=r_drop) | RDrop(weight=r_drop):
            return TeacherForcing(label_smoothing=smoothing, r_drop=r_drop)
        case Auxiliary(head="lm"):
            return AuxiliaryLmCriterion(settings, label_smoothing=smoothing)
        case Auxiliary():
            return AuxiliaryCriterion(settings, teacher=teacher, label_smoothing=smoothing)
        case Recurrent():
            return RecurrentCriterion(settings, teacher=teacher, label_smoothing=smoothing)
        case Generative():
            return _criterion(settings.treatment(), parts)
        case GenerativePosition() | GenerativeRisk() | GenerativeSelfCritical() | GenerativeOffpolicy():
            return GenerativeCriterion(
                settings,
                teacher=teacher,
                label_smoothing=smoothing,
                decode=parts.decode,
                tokenizer=parts.trial.task.tokenizer,
                rollout_bound=parts.rollout_bound,
            )
        case SeqGan() | SeqGanRandom():
            return _adversarial(settings, parts, trainer=_discriminator_trainer(settings, parts))
        case SeqGanConstant():
            return _adversarial(settings, parts, trainer=None)
        case Intelligen():
            return _mixture(settings, parts)
        case other:
            assert_never(other)


def _adversarial(
    settings: Adversarial, parts: CriterionParts, *, trainer: DiscriminatorTrainer | None
) -> SeqGanCriterion:
    return SeqGanCriterion(
        settings,
        model=parts.model,
        trainer=trainer,
        teacher=parts.teacher,
        decode=parts.decode,
        tokenizer=parts.trial.task.tokenizer,
        rollout_bound=parts.rollout_bound,
        precision=parts.trial.training.precision,
    )


def _discriminator_trainer(settings: SeqGan | SeqGanRandom, parts: CriterionParts) -> DiscriminatorTrainer:
    return DiscriminatorTrainer(
        build_discriminator(settings.discriminator, parts.model, seed=parts.trial.seed),
        settings.discriminator,
        wrap=parts.wrap,
        training=parts.trial.training,
        world_size=parts.world_size,
        frozen=isinstance(settings, SeqGanRandom),
    )


def _mixture(settings: Intelligen, parts: CriterionParts) -> IntelligenCriterion:
    task = parts.trial.task
    selection = Selection(task.selection_metric)
    members: dict[MixtureMember, Criterion] = {
        name: _criterion(getattr(settings, name), parts) for name in settings.members()
    }
    return IntelligenCriterion(
        members,
        policy=build_policy(settings.policy, selection=selection, watched=task.watched_metric, seed=parts.trial.seed),
        guard=RollBackGuard(settings.guard, selection=selection),
    )
