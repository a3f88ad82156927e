"""Annotations of people and tools in a study: carried over into the one that replaces it.

Those are its user attributes, and the notes and files of optuna-dashboard and of Optuna's artifact store, which are
system attributes. The name of one of the study holds the number that the storage has given to the trial.
"""

import re
from collections.abc import Mapping
from copy import copy
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from intelligen.analysis.strategy_table import SELECTED
from intelligen.sweep.search.optuna_study import EXPLOITS, STOP_REASON, WARM_START
from intelligen.sweep.search.warm_start import POINT

_OF_TOOLS = re.compile(r"(?P<tool>dashboard:artifacts:|dashboard:|artifacts:)((?P<trial>\d+)(?=:))?")


def with_notes(trial: FrozenTrial, former: FrozenTrial) -> FrozenTrial:
    """A trial as the ledger has it, with what was written beside it.

    Args:
        trial: As the ledger has it.
        former: As the former study has it.

    """
    noted = copy(trial)
    noted.user_attrs = {**_by_people(former.user_attrs), **trial.user_attrs}
    noted.system_attrs = {**_by_tools(former.system_attrs), **trial.system_attrs}
    return noted


def as_begun(trial: FrozenTrial) -> FrozenTrial:
    """A trial that has ended, as it was before: without its curve, its values and the attributes of its end."""
    of_its_end = {name for name in trial.user_attrs if name == STOP_REASON or name.startswith(SELECTED)}
    return create_trial(
        state=OptunaState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={name: value for name, value in trial.user_attrs.items() if name not in of_its_end},
        system_attrs=trial.system_attrs,
    )


def carry_notes(former: optuna.Study, study: optuna.Study) -> None:
    """Give a study what was written into the former one, unless it has that already.

    Args:
        former: It is only read.
        study: With its trials; those of one number are the same trial.

    """
    for name, value in former.user_attrs.items():
        if name not in study.user_attrs:
            study.set_user_attr(name, value)
    trials = {trial.number: trial._trial_id for trial in study.get_trials(deepcopy=False)}
    numbers = {str(trial._trial_id): trial.number for trial in former.get_trials(deepcopy=False)}
    for name, value in former._storage.get_study_system_attrs(former._study_id).items():
        if (found := _OF_TOOLS.match(name)) is None:
            continue
        renamed = name
        if found["trial"] is not None:
            trial_id = trials.get(numbers.get(found["trial"], -1))
            if trial_id is None:
                continue  # it is of a trial that is not there
            renamed = f"{found['tool']}{trial_id}{name[found.end() :]}"
        study._storage.set_study_system_attr(study._study_id, renamed, value)


def _by_people(attributes: Mapping[str, Any]) -> dict[str, Any]:
    ours = {WARM_START, EXPLOITS, STOP_REASON, POINT}
    return {name: value for name, value in attributes.items() if name not in ours and not name.startswith(SELECTED)}


def _by_tools(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if _OF_TOOLS.match(name)}
