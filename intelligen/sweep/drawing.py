"""A trial enters the study whole: what it leaves to the sampler is drawn in memory, over a copy of what is known.

So no kill leaves a trial half drawn, whose rest would come out differently.
"""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from intelligen.config.sweep import Sweep
from intelligen.sweep.samplers import sampler
from intelligen.sweep.space import suggest

_LEARNT_FROM = (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.RUNNING)
_FIXED = "fixed_params"
"""The system attribute under which Optuna's `enqueue_trial` writes what a trial is to have."""


def drawn_trial(
    study: optuna.Study, sweep: Sweep, *, number: int, given: Mapping[str, Any], attributes: Mapping[str, Any]
) -> FrozenTrial:
    """A waiting trial with all its parameters, which the study takes in one write.

    Args:
        study: The sweep's; it is only read.
        sweep: Its space and its search.
        number: The trial's.
        given: Parameters that are not left to the sampler.
        attributes: The trial's user attributes.

    """
    memory = optuna.create_study(directions=study.directions, sampler=sampler(sweep.search, number))
    memory.add_trials(_known(study, sweep))
    memory.enqueue_trial(dict(given))
    trial = memory.ask()
    suggest(trial, sweep.space)
    # With what the sampler has noted of it, such as its generation.
    noted = memory.get_trials(deepcopy=False)[-1].system_attrs
    return create_trial(
        state=OptunaState.WAITING, system_attrs={**noted, _FIXED: trial.params}, user_attrs=dict(attributes)
    )


def _known(study: optuna.Study, sweep: Sweep) -> list[FrozenTrial]:
    """What the sampler learns from."""
    if sweep.search.sampler in ("random", "grid"):
        return []
    return study.get_trials(deepcopy=False, states=_LEARNT_FROM)
