"""Whether task, strategy and model fit together: one line for whatever does not, with what would."""

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from typing import Any, Final, get_args

from intelligen.config.base import Settings
from intelligen.config.schema.declarations import (
    STANDARD,
    Capability,
    ModelSettings,
    Need,
    StrategySettings,
    TaskSettings,
)
from intelligen.config.schema.model import MODELS
from intelligen.config.schema.strategies import STRATEGIES

BUILT_FOR: Final[Mapping[Capability, Capability]] = {
    "generation": "generation",
    "encoder_output": "generation",
    "mixtures": "generation",
    "classification": "classification",
    "token_prediction": "classification",
    "language_modelling": "language_modelling",
}
"""What a network has to be built for, so that a strategy can use what it offers."""
_NOT_SO: Final[Mapping[Capability, str]] = {
    "generation": "writes no text",
    "classification": "chooses no class",
    "language_modelling": "reads no documents",
}
"""Of a task whose networks are built for something else."""


def unmet(task: TaskSettings, strategy: StrategySettings, model: ModelSettings) -> Iterator[str]:
    """What does not fit, one line each: a key, why, and what fits in its place.

    The model must offer what the task needs and what the strategy needs. A strategy can only use what the task builds
    the network for: a classifier writes nothing, whatever else its model could be built for.
    """
    yield from dict.fromkeys(_unmet(task, strategy, model))


def _unmet(task: TaskSettings, strategy: StrategySettings, model: ModelSettings) -> Iterator[str]:
    for need in task.needed():
        if need.capability not in model.offered():
            yield _not_offered(f"task.name {task.name}", need, model, fix=_models(task) or "another task")
    usable = {one for one, purpose in BUILT_FOR.items() if purpose in _purposes(task)}
    for need in strategy.needed():
        if need.capability not in usable:
            yield _useless(task, strategy, need, usable)
        elif need.capability not in model.offered():
            fix = _values(strategy, need.setting, usable & model.offered()) or ["another strategy"]
            chosen = f"strategy.{need.setting or 'name'} {_get(strategy, need.setting or 'name')}"
            yield _not_offered(chosen, need, model, fix=f"{' or '.join(map(str, fix))}, or another model")


def _useless(task: TaskSettings, strategy: StrategySettings, need: Need, usable: Collection[Capability]) -> str:
    """Of a strategy that needs what the task's networks are not built for, or of a value that makes it do so."""
    why = f"{task.name} {_NOT_SO[BUILT_FOR[need.capability]]}"
    if fix := _values(strategy, need.setting, usable):
        return f"strategy.{need.setting} {_get(strategy, need.setting)}: {why}; take {' or '.join(map(str, fix))}"
    name = _get(strategy, "name")
    return f"strategy.name {name}: {why}: {name} cannot train it; there are {', '.join(_strategies(usable))}"


def _purposes(task: TaskSettings) -> set[Capability]:
    """What the task's networks are built for."""
    return {BUILT_FOR[need.capability] for need in task.needed()}


def _not_offered(chosen: str, need: Need, model: ModelSettings, *, fix: str) -> str:
    return f"{chosen} needs a model that offers {need.capability}, which {model.called} does not; take {fix}"


def _models(task: TaskSettings) -> str:
    needed = {need.capability for need in task.needed()}
    options = MODELS.options().items()
    return " or ".join(name for name, one in options if issubclass(one, ModelSettings) and needed <= one.offers)


def _strategies(usable: Collection[Capability]) -> Iterator[str]:
    """Those that can train the task's models, at least with some of their settings; of controls `standard` alone."""
    for name, one in STRATEGIES.options().items():
        if not issubclass(one, StrategySettings) or (one.control_for is not None and name != STANDARD):
            continue
        usual = one.model_construct()
        if all(need.capability in usable or _values(usual, need.setting, usable) for need in one.needs):
            yield name


def _values(strategy: StrategySettings, key: str, offered: Collection[Capability]) -> list[object]:
    """Values of a setting that need nothing but what is offered; none where there is no setting."""
    if not key:
        return []
    *groups, last = key.split(".")
    group: Any = type(reduce(getattr, groups, strategy))
    needs = [need for need in (*strategy.needs, *getattr(group, "needs", ())) if need.setting in (key, last)]
    listed = get_args(group.model_fields[last].annotation)
    lacking = [need for need in needs if need.capability not in offered]
    found = [value for value in dict.fromkeys(listed) if not any(need.made_by(value) for need in lacking)]
    return found if listed else ["another value"]


def _get(settings: Settings, key: str) -> object:
    return reduce(getattr, key.split("."), settings)
