"""A search space becomes a define-by-run function: a parameter exists only where its option is chosen."""

from collections.abc import Mapping
from typing import Any, assert_never

import optuna

from intelligen.config.paths import resolve_key
from intelligen.config.space import Choice, Const, Int, LogInt, LogUniform, Space, Uniform


def suggest(trial: optuna.Trial, space: Mapping[str, Space]) -> dict[str, Any]:
    """Ask Optuna for one point of the space.

    Parameters are named by their experiment key (`finetuning.optimizer.learning_rate`), those of an option
    by option and key (`generative/probability.start`).

    Returns:
        Dotted experiment key → value, constants included.

    """
    changes: dict[str, Any] = {}
    for key, form in space.items():
        _suggest(trial, form, parameter=key, key=key, changes=changes)
    return changes


def _suggest(trial: optuna.Trial, form: Space, *, parameter: str, key: str, changes: dict[str, Any]) -> None:
    match form:
        case Uniform(uniform=(low, high)):
            changes[key] = trial.suggest_float(parameter, low, high)
        case LogUniform(log_uniform=(low, high)):
            changes[key] = trial.suggest_float(parameter, low, high, log=True)
        case Int(int=(low, high)):
            changes[key] = trial.suggest_int(parameter, low, high)
        case LogInt(log_int=(low, high)):
            changes[key] = trial.suggest_int(parameter, low, high, log=True)
        case Const(const=value):
            changes[key] = value
        case Choice(choice=list() as options):
            changes[key] = trial.suggest_categorical(parameter, options)
        case Choice(choice=options):
            assert isinstance(options, dict)
            option = trial.suggest_categorical(parameter, list(options))
            changes[f"{key}.name"] = option
            for name, nested in options[option].items():
                _suggest(trial, nested, parameter=f"{option}/{name}", key=resolve_key(key, name), changes=changes)
        case _:
            assert_never(form)
