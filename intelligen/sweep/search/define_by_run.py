"""Search space as a define-by-run function: a parameter exists only where its option is chosen."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.setting_paths import resolve_key
from intelligen.config.schema.space_forms import (
    Choice,
    Const,
    Int,
    LogInt,
    LogUniform,
    ScheduleRanges,
    SearchedSchedule,
    Simplex,
    Space,
    Uniform,
    Zip,
)


def suggest(trial: optuna.Trial, space: Mapping[str, Space]) -> dict[str, Any]:
    """Ask Optuna for one point of the space.

    Parameters are named by their experiment key (`finetuning.optimizer.learning_rate`), those of an option by the
    options around them and the key (`generative/probability.start`, `intelligen/static/weights.standard`). A zip has
    one parameter, under its own name: the number of the row, from 0.

    Returns:
        Dotted experiment key → value, constants included.

    """
    changes: dict[str, Any] = {}
    for key, form in space.items():
        _suggest(trial, form, options="", written=key, parent="", changes=changes)
    return changes


def chosen_row(changes: Mapping[str, Any], experiment: Experiment) -> str:
    """The row that a point of the space names: a variant, or a strategy, which is the experiment's where it names none.

    The strategy may be written in any form.
    """
    chosen = changes.get(ROW) or changes.get("strategy.name", changes.get("strategy")) or experiment.strategy.name
    return str(chosen["name"] if isinstance(chosen, Mapping) else chosen)


def random_points(space: Mapping[str, Space], count: int, *, seed: int) -> list[dict[str, Any]]:
    """So many points of the space, each as `suggest` returns it, drawn by chance and kept nowhere."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggest(study.ask(), space) for _ in range(count)]


def known_point(
    space: Mapping[str, Space], known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The parameters of a point that is known already, and their distributions.

    Raises:
        ValueError: It lacks a parameter of this space, or has another value than this space allows.

    """
    known_trial = _KnownTrial(known)
    # To `suggest` a trial is who answers `suggest_float` and its like.
    suggest(cast(optuna.Trial, known_trial), space)
    return known_trial.params, known_trial.distributions


def simplex_point(uniforms: Sequence[float]) -> list[float]:
    """The point of the simplex that independent uniforms choose: K − 1 of them become K weights that sum to 1.

    Weight i takes the share v_i = 1 − (1 − u_i)^(1/(K − i)) of what the weights before it have left, the last one all
    of it. That is the inverse CDF of Beta(1, K − i), so the point is uniform over the simplex: a flat Dirichlet, built
    by breaking a stick (Connor & Mosimann 1969).
    """
    weights, rest = [], 1.0
    for others, uniform in zip(range(len(uniforms), 0, -1), uniforms, strict=True):
        left = rest * (1.0 - uniform) ** (1.0 / others)
        weights.append(rest - left)
        rest = left
    return [*weights, rest]


def _suggest(
    trial: optuna.Trial, form: Space, *, options: str, written: str, parent: str, changes: dict[str, Any]
) -> None:
    """Draw the entry `written` below the `options`, which are those of the setting `parent`."""
    parameter, key = options + written, resolve_key(parent, written)
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
        case Simplex(simplex=parts):
            uniforms = [trial.suggest_float(f"{parameter}.{part}", 0.0, 1.0) for part in parts[:-1]]
            changes[key] = dict(zip(parts, simplex_point(uniforms), strict=True))
        case SearchedSchedule(schedule=ranges):
            changes[key] = _schedule(trial, ranges, parameter)
        case Zip():
            # A category, not a number: rows need not lie in any order.
            row = trial.suggest_categorical(parameter, range(len(form.rows)))
            changes.update({resolve_key(parent, name): value for name, value in form.rows[row].items()})
        case Choice(choice=list() as values):
            changes[key] = trial.suggest_categorical(parameter, values)
        case Choice(choice=spaces):
            assert isinstance(spaces, dict)
            option = trial.suggest_categorical(parameter, list(spaces))
            changes[f"{key}.name"] = option
            inner = f"{options}{option}/"
            for name, nested in spaces[option].items():
                _suggest(trial, nested, options=inner, written=name, parent=key, changes=changes)
        case _:
            assert_never(form)


def _schedule(trial: optuna.Trial, ranges: ScheduleRanges, parameter: str) -> dict[str, Any]:
    """A whole schedule: the shape first, since it says which numbers there are."""
    shape = ranges.shape
    if isinstance(shape, list):
        shape = trial.suggest_categorical(f"{parameter}.shape", shape)
    drawn: dict[str, Any] = {"shape": shape}
    for name, ends in ranges.numbers(shape).items():
        drawn[name] = trial.suggest_float(f"{parameter}.{name}", *ends) if isinstance(ends, list) else ends
    return drawn


class _KnownTrial:
    """Answers with what a trial is known to have had, and remembers what it was asked for."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> Any:
        return self._answer(name, FloatDistribution(low, high, log=log))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> Any:
        return self._answer(name, IntDistribution(low, high, log=log))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._answer(name, CategoricalDistribution(choices))

    def _answer(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._known:
            raise ValueError(f"{name} is missing")
        # Optuna's own question raises ValueError for a category that is none of these.
        if not distribution._contains(distribution.to_internal_repr(self._known[name])):
            raise ValueError(f"{name} cannot be {self._known[name]!r} here")
        self.params[name] = self._known[name]
        self.distributions[name] = distribution
        return self.params[name]
