"""Tasks, models and strategies of installed packages, found by their entry points; a file only names them."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from operator import or_
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationInfo
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from intelligen.config.base import NAME_PATTERN, Settings
from intelligen.config.document import nearest
from intelligen.errors import ConfigError, UnavailableError

T = TypeVar("T")

_CORRECT = "correct or uninstall that package"


@dataclass(frozen=True)
class Plugin:
    """What an entry point of a package offers."""

    settings: type[Settings]
    """Its `name`, a literal with that text as default, is the entry point's."""
    build: Callable[..., Any]
    """What makes the object from the settings: docs/extending.md says with which arguments."""


@dataclass(frozen=True)
class Installed:
    """A plugin that was loaded and is what it must be."""

    plugin: Plugin
    package: str
    version: str
    where: str
    """What messages call it: its package and its entry point."""


@dataclass(frozen=True)
class OpenArm:
    """Opens a union of settings, chosen by `name`: a name that is none of its own is an installed package's."""

    group: str
    """Of the entry points."""
    base: type[Settings]
    """What the plugins' settings inherit."""
    own: tuple[type[Settings], ...]
    """The classes of the union."""
    default: str = ""
    """The class that settings without a name are of; none where the name is required."""

    def names(self) -> list[str]:
        """All that a file may name."""
        return [*map(name_of, self.own), *self._entry_points()]

    def options(self) -> dict[str, type[Settings]]:
        """Name → settings; of the installed ones those that can be used."""
        return {name_of(own): own for own in self.own} | dict(self._usable())

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Package → version of the plugins among the names."""
        own = set(map(name_of, self.own))
        found = [self.installed(name) for name in names if name not in own]
        return {one.package: one.version for one in found}

    def settings_named(self, name: str) -> type[Settings]:
        """The settings of one name.

        Raises:
            ConfigError: There are none, or they are an entry point's that is not as it must be.

        """
        for own in self.own:
            if name_of(own) == name:
                return own
        return self.installed(name).plugin.settings

    def installed(self, name: str) -> Installed:
        """The plugin of one name.

        Raises:
            ConfigError: There is none, or it is not as it must be.

        """
        found = self._entry_points().get(name, ())
        if not found:
            raise ConfigError(f'there is no "{name}", and no installed package has it; {nearest(name, self.names())}')
        if len(found) > 1:
            packages = " and ".join(sorted(map(_package, found)))
            raise ConfigError(f'"{name}" is an entry point of {packages} in {self.group}; uninstall one of them')
        return _loaded(self, found[0])

    def _usable(self) -> Iterator[tuple[str, type[Settings]]]:
        for name in self._entry_points():
            try:
                yield name, self.installed(name).plugin.settings
            except ConfigError:  # reported where a file names it
                continue

    def _validated(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, self.base):
            return value
        settings = self._class_of(value.get("name", self.default)) if isinstance(value, dict) else None
        if info.mode == "python":
            return handler(value) if settings is None else _adapter(self, settings).validate_python(value)
        # Of JSON a list may fill a tuple, but what a function is given of it is no JSON any more.
        return _adapter(self, settings).validate_json(json.dumps(value))

    def _class_of(self, name: object) -> type[Settings] | None:
        """What the name chooses; none where the union's own discriminator is to choose, or to refuse."""
        own = {name_of(one): one for one in self.own}
        if isinstance(name, str) and name in own:
            return own[name] if self.default else None
        if isinstance(name, str) and name in self._entry_points():
            try:
                return self.installed(name).plugin.settings
            except ConfigError as error:
                raise ValueError(str(error)) from error
        if self.default:  # a class alone would only find that its literal is another
            context = {"discriminator": "'name'", "tag": str(name), "expected_tags": ", ".join(self.names())}
            raise PydanticKnownError("union_tag_invalid", context)
        return None

    def _entry_points(self) -> dict[str, tuple[EntryPoint, ...]]:
        return _entry_points(self.group, tuple(sys.path))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The union, with the open arm before it; what is written of settings is their own class' to say."""
        return core_schema.with_info_wrap_validator_function(
            self._validated, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The union's, with one more option for each usable plugin; an option that is no default needs its name."""
        union = handler(schema)
        named = {"required": ["name"]}
        if "anyOf" in union:  # without a discriminator, since one of them needs no name
            own = zip(self.own, union["anyOf"], strict=True)
            union = {"oneOf": [one if name_of(kind) == self.default else one | named for kind, one in own]}
        more = [handler(settings.__pydantic_core_schema__) | named for _, settings in self._usable()]
        if not more:
            return union
        return {"oneOf": [*union.get("oneOf", [union]), *more]}


def require_packages(packages: Iterable[str]) -> None:
    """Refuse to go on with what packages have made that are not here.

    Raises:
        UnavailableError: One of them is not installed.

    """
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            raise UnavailableError(
                f"the package {package}, which brings its task, model or strategy, is not installed here; install that"
                " package, and run the same command"
            ) from None


def built(installed: Installed, kind: type[T], *arguments: Any, **named: Any) -> T:
    """What a plugin's `build` makes of the arguments.

    Raises:
        ConfigError: It is not of that kind, or the plugin's code is wrong.

    """
    try:
        made = installed.plugin.build(*arguments, **named)
    except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError, AssertionError) as error:
        raise ConfigError(f"{installed.where} cannot build: {_first_line(error)}; {_CORRECT}") from error
    if not isinstance(made, kind):
        raise ConfigError(
            f"{installed.where} must build a {kind.__module__}.{kind.__name__}, got {type(made).__name__}; {_CORRECT}"
        )
    return made


def name_of(settings: type[Settings]) -> str:
    """The text of the literal `name`; empty where there is no such field, or no single text."""
    field = settings.model_fields.get("name")
    texts = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(texts[0]) if field is not None and texts == (field.default,) else ""


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """Name → the entry points of that name, one where all is well; a path that changed is looked through again."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


@cache
def _adapter(arm: OpenArm, chosen: type[Settings] | None) -> TypeAdapter[Any]:
    """Of the class that was chosen, or of the union; errors are placed behind the name where that is required."""
    if arm.default:
        return TypeAdapter(chosen or arm.own[0])
    union: Any = reduce(or_, arm.own if chosen is None else (arm.own[0], chosen))
    return TypeAdapter(Annotated[union, Field(discriminator="name")])


@cache
def _loaded(arm: OpenArm, point: EntryPoint) -> Installed:
    where = f"entry point {point.name} = {point.value} of {_package(point)} in {arm.group}"
    try:
        offered = point.load()
    except (Exception, SystemExit) as error:  # whatever another package's code raises
        raise ConfigError(f"{where} cannot be loaded: {_first_line(error)}; {_CORRECT}") from error
    if problem := _problem(arm, point, offered):
        raise ConfigError(f"{where} {problem}; {_CORRECT}")
    assert point.dist is not None
    return Installed(offered, point.dist.name, point.dist.version, where)


def _problem(arm: OpenArm, point: EntryPoint, offered: Any) -> str | None:
    if not isinstance(offered, Plugin):
        return f"must be a Plugin of intelligen.config.schema.plugins, got {type(offered).__name__}"
    if not isinstance(offered.settings, type) or not issubclass(offered.settings, arm.base):
        return f"must have settings that inherit {arm.base.__module__}.{arm.base.__name__}"
    if not re.fullmatch(NAME_PATTERN, point.name) or name_of(offered.settings) != point.name:
        return f'must have settings with `name: Literal["{point.name}"] = "{point.name}"`'
    if point.name in map(name_of, arm.own):
        return "has the name of one of IntelliGEN's own"
    if not callable(offered.build):
        return "must have a `build` that can be called"
    return None


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
