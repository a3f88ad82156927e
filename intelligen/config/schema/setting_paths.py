"""Dotted keys: from `model.heads` to the field of the settings' classes, through every option."""

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

from pydantic import Discriminator, Tag
from pydantic.fields import FieldInfo

from intelligen.config.base import Settings
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.plugins import OpenArm


def resolve_key(parent: str, key: str) -> str:
    """The experiment key that a parameter of an option stands for in a search space.

    `probability.start` under `strategy` is `strategy.probability.start`; a key that begins with a group of the
    experiment, such as `finetuning.optimizer.learning_rate`, is complete already, as all keys outside of options are.
    """
    complete = not parent or key.partition(".")[0] in Experiment.model_fields
    return key if complete else f"{parent}.{key}"


def alternatives(annotation: Any) -> dict[str, Any]:
    """The types that a setting may have besides None, each under the label that pydantic's error locations use."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        tags = [item.tag for item in metadata if isinstance(item, Tag)]
        arms = [item for item in metadata if isinstance(item, OpenArm)]
        return {tags[0]: inner} if tags else dict(arms[0].options()) if arms else alternatives(inner)
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return {label: option for member in members for label, option in alternatives(member).items()}
    return {_label(annotation): annotation}


def named_options(found: Mapping[str, Any]) -> tuple[str, ...]:
    """The alternatives' names where a `name` in the data chooses among them; else none."""
    chosen_by_name = len(found) > 1 and all(
        is_settings(option) and label != option.__name__ for label, option in found.items()
    )
    return tuple(found) if chosen_by_name else ()


def is_settings(annotation: Any) -> TypeGuard[type[Settings]]:
    """Whether it is a class of settings rather than a value's type."""
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def child(annotation: Any, part: str | int) -> Any:
    """The type of one part of a type without alternatives; None where it has no such part."""
    if is_settings(annotation):
        return whole_annotation(annotation.model_fields[part]) if part in annotation.model_fields else None
    match get_origin(annotation), get_args(annotation):
        case (origin, (_, value)) if origin is dict:
            return value
        case (origin, (item,)) if origin is list:
            return item
        case (origin, (item, more)) if origin is tuple and more is Ellipsis and isinstance(part, int):
            return item
        case (origin, items) if origin is tuple and isinstance(part, int) and part < len(items):
            return items[part]
    return None


def whole_annotation(field: FieldInfo) -> Any:
    """A field's type with what chooses among its options or opens it to plugins, which pydantic keeps apart."""
    marks = [item for item in (field.discriminator, *field.metadata) if isinstance(item, OpenArm | Discriminator)]
    return Annotated[field.annotation, marks[0]] if marks else field.annotation


def default_option(annotation: Any) -> str | None:
    """The option that a value without a name is of, where the name may be left out."""
    for mark in _marks(annotation):
        if isinstance(mark, OpenArm) and mark.default:
            return mark.default
        if isinstance(mark, Discriminator) and callable(mark.discriminator):
            chosen = mark.discriminator({})
            return str(chosen) if chosen in alternatives(annotation) else None
    return None


def is_unnamed_in_errors(annotation: Any) -> bool:
    """Whether pydantic's error locations leave out which option it is."""
    return any(isinstance(mark, OpenArm) and mark.default for mark in _marks(annotation))


def _marks(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def chosen_option(annotation: Any, value: Any) -> Any:
    """The type that data with or without a `name` are of; None where they name none of a type's alternatives."""
    options = alternatives(annotation)
    if len(options) == 1:
        return next(iter(options.values()))
    name = value.get("name", default_option(annotation)) if isinstance(value, Mapping) else None
    return options.get(name) if isinstance(name, str) else None


def option_names(settings: type[Settings], key: str) -> tuple[str, ...]:
    """The options among which `key`.name chooses; empty where the key is no setting with options."""
    return named_options(_reached(settings, key))


def has_setting(settings: type[Settings], key: str) -> bool:
    """Whether the key names a setting, or one of any option of a setting on its way."""
    return bool(_reached(settings, key))


def instead_of(settings: type[Settings], key: str) -> str | None:
    """The key that has no value where this one has, as `Settings.either` pairs them; none where it is of no pair."""
    group, _, last = key.rpartition(".")
    around = _reached(settings, group) if group else {"": settings}
    others = (option.instead_of(last) for option in around.values() if is_settings(option))
    return next((f"{group}.{other}".removeprefix(".") for other in others if other is not None), None)


def numbered(part: str) -> str | int:
    """A part of a dotted key as it goes into data: lists number their entries from 0 (`stages.1.weights`)."""
    return int(part) if re.fullmatch("0|[1-9][0-9]{0,3}", part) else part


def holds(settings: type[Settings], key: str, group: type[Settings]) -> bool:
    """Whether the key is the place of such a group, in any option of a setting on its way."""
    return group in _reached(settings, key).values()


def takes(settings: type[Settings], key: str, *shapes: type) -> bool:
    """Whether a value of the setting may be of one of the shapes, such as `list`."""
    return any((get_origin(option) or option) in shapes for option in _reached(settings, key).values())


def _reached(settings: type[Settings], key: str) -> dict[str, Any]:
    reached: dict[str, Any] = {"": settings}
    for part in key.split("."):
        inner = [child(annotation, numbered(part)) for annotation in reached.values()]
        reached = {
            label: option
            for annotation in inner
            if annotation is not None
            for label, option in alternatives(annotation).items()
        }
    return reached


def _label(annotation: Any) -> str:
    if is_settings(annotation) and "name" in annotation.model_fields:
        name = annotation.model_fields["name"].annotation
        if get_origin(name) is Literal:
            return str(get_args(name)[0])
    return str(getattr(get_origin(annotation) or annotation, "__name__", annotation))
