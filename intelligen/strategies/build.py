"""From a strategy's settings to the strategy: one match over the union, checked by the type checker."""

from typing import assert_never

from torch import nn

from intelligen.config.experiment import Trial
from intelligen.config.strategies import Generative, Standard
from intelligen.models.seq2seq import Seq2SeqTransformer
from intelligen.optimization import Updater
from intelligen.strategies.base import Objective, ObjectiveStrategy, Strategy
from intelligen.strategies.generative import GenerativeObjective
from intelligen.strategies.rewards import Decode
from intelligen.strategies.standard import TeacherForcing


def build_strategy(
    trial: Trial,
    *,
    model: Seq2SeqTransformer,
    forward: nn.Module,
    decode: Decode,
    total_updates: int,
    world_size: int,
) -> Strategy:
    """The strategy of a trial over a model.

    Args:
        trial: Complete settings.
        model: The unwrapped model, for rollouts and evaluation.
        forward: The same model as gradient passes call it: wrapped where there are several ranks.
        decode: Target token ids → text.
        total_updates: Length of the run.
        world_size: Ranks that share an update.

    """
    smoothing = trial.training.label_smoothing
    updater = Updater(forward, trial.training, total_updates=total_updates, world_size=world_size)
    objective: Objective
    match trial.strategy:
        case Standard() as standard:
            objective = TeacherForcing(label_smoothing=smoothing, r_drop=standard.r_drop)
        case Generative() as generative:
            objective = GenerativeObjective(
                generative,
                model=model,
                teacher=TeacherForcing(label_smoothing=smoothing),
                label_smoothing=smoothing,
                decode=decode,
                rollout_bound=(trial.decoding.max_length_ratio, trial.decoding.max_length_offset),
            )
        case other:
            assert_never(other)
    return ObjectiveStrategy(model, forward=forward, objective=objective, updater=updater)
