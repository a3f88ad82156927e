"""Asks Optuna for a trial: drawn in memory over a copy of what is known, and written in one piece.

A kill therefore leaves no trial half drawn: the rest of it would come out differently.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from intelligen.config.schema.sweep import Sweep
from intelligen.sweep.search.define_by_run import suggest
from intelligen.sweep.search.optuna_study import row_of
from intelligen.sweep.search.samplers import sampler

_LEARNT_FROM = (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.RUNNING)
FIXED = "fixed_params"
"""The system attribute under which Optuna's `enqueue_trial` writes what a trial is to have."""


def ask_trial(
    study: optuna.Study, sweep: Sweep, *, number: int, given: Mapping[str, Any], attributes: Mapping[str, Any]
) -> FrozenTrial:
    """Draw a trial with all its parameters, waiting, which the study takes in one write.

    Args:
        study: The sweep's; it is only read.
        sweep: Its space and its search.
        number: The trial's.
        given: Parameters that are not left to the sampler.
        attributes: The trial's user attributes.

    """
    memory = optuna.create_study(directions=study.directions, sampler=sampler(sweep.search, number))
    memory.add_trials(_known(study, sweep, row=given.get(sweep.row_parameter)))
    memory.enqueue_trial(dict(given))
    trial = memory.ask()
    suggest(trial, sweep.searched)
    # With what the sampler has noted of it, such as its generation.
    noted = memory.get_trials(deepcopy=False)[-1].system_attrs
    return create_trial(
        state=OptunaState.WAITING, system_attrs={**noted, FIXED: trial.params}, user_attrs=dict(attributes)
    )


def _known(study: optuna.Study, sweep: Sweep, *, row: str | None) -> Iterator[FrozenTrial]:
    """The trials that the sampler learns from: all, or in round robin those of the row.

    A model of all of them would choose what they share, such as the learning rate, for the row that it prefers,
    while round robin gives the trial to another one.
    """
    if sweep.search.sampler in ("random", "grid"):
        return
    for trial in study.get_trials(deepcopy=False, states=_LEARNT_FROM):
        if not sweep.round_robin():
            yield trial
        elif row_of(trial, sweep) == row:
            yield _without(trial, sweep.row_parameter)


def _without(trial: FrozenTrial, parameter: str) -> FrozenTrial:
    """The trial without a parameter that all trials have alike, which no sampler need model."""
    other = copy(trial)
    other.params = {name: value for name, value in trial.params.items() if name != parameter}
    other.distributions = {name: form for name, form in trial.distributions.items() if name != parameter}
    return other
