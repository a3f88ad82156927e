"""Rows of a sweep: what its table compares; strategies, or variants of the experiment, listed or crossed."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from string import Formatter
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from intelligen.config.base import Name, Settings
from intelligen.config.document import Key
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.local_keys import DottedKeysOf

STRATEGY, ROW = "strategy", "row"
"""What a search calls the parameter that chooses a row: where rows are strategies, and where they are variants."""
LABEL = "label"
_BASELINE = "baseline"
"""What tables and records call the runs that fine-tunings start from."""
Variant = Annotated[dict[str, Any], DottedKeysOf(Experiment, beside=(LABEL,))]
"""Dotted experiment key → value; `label` is what figures and tables call the row."""


@dataclass(frozen=True)
class Row:
    """One variant of the experiment."""

    id: str
    """Names directories, tags and the row in commands."""
    label: str
    """What people read; the id where none is given."""
    settings: Mapping[str, Any]
    """Dotted experiment key → value."""
    keys: Mapping[str, Key]
    """Setting → its key below `rows` in the sweep file."""
    axes: Mapping[str, str] = field(default_factory=dict)
    """Axis → the value that the row has on it; empty where variants are listed."""


class StrategyControl(Settings):
    """Rows are the strategies of `space.strategy`."""

    control: Name = "standard"
    """The control: the strategy that others are compared with."""


class Variants(Settings):
    """Rows are variants of the experiment, each by name."""

    control: Name
    """The control: the variant that others are compared with."""
    of: Annotated[dict[Name, Variant], Field(min_length=2)]
    """Name → settings of the experiment by their dotted keys, and optionally a `label` of the row."""

    @model_validator(mode="after")
    def _known_control(self) -> Self:
        if self.control not in self.of:
            raise ValueError(f"control is {self.control}, which is no variant; there are {', '.join(self.of)}")
        if _BASELINE in self.of:
            raise ValueError(f"of has a row {_BASELINE}, which means what fine-tunings start from; rename the row")
        for name, given in self.of.items():
            label = given.get(LABEL, name)
            if not isinstance(label, str) or not label.strip() or not label.isprintable():
                raise ValueError(f"of.{name}.label must be one line of text, got {json.dumps(label)}")
        if same := _first_twice(row.label for row in self.rows()):
            raise ValueError(f"of has two rows that tables and figures would call {same!r}; change a label")
        return self

    def rows(self) -> Iterator[Row]:
        """In the file's order."""
        for name, given in self.of.items():
            settings = {key: value for key, value in given.items() if key != LABEL}
            keys: dict[str, Key] = {key: ("variants", "of", name, key) for key in settings}
            yield Row(name, given.get(LABEL, name), settings, keys)


class Axes(Settings):
    """Rows are all combinations of the values of several axes: `pretrain-20.lm-0`."""

    control: dict[Name, str]
    """Axis → its value in the control, the row that others are compared with."""
    of: Annotated[dict[Name, Annotated[dict[Name, Variant], Field(min_length=1)]], Field(min_length=1)]
    """Axis → value → settings of the experiment by their dotted keys."""
    label: str | None = None
    """The name of a row in figures and tables, with the value of each axis in place of its braces:
    `gpt-pre:{pretrain}-lm:{lm}`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if problem := next(self._problems(), None):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        for axis, values in self.of.items():
            if self.control.get(axis) not in values:
                yield f"control must name a value of the axis {axis}: {', '.join(values)}"
            if any(LABEL in settings for settings in values.values()):
                yield f"of.{axis} must not have a label of its own: write `label` beside `of`, with {{{axis}}} in it"
        if unknown := [axis for axis in self.control if axis not in self.of]:
            yield f"control names {unknown[0]}, which is no axis; there are {', '.join(self.of)}"
        for row in self.rows():
            if len(row.id) > 64:
                yield f"of makes the row {row.id}, whose name has more than 64 characters: shorten names of its axes"
        if len(list(self.rows())) < 2:
            yield "of makes a single row, and a table compares at least two"
        if same := _first_twice(row.id for row in self.rows()):
            yield f"of makes two rows that are called {same}: rename a value of an axis"
        if self.label is not None and (wrong := _wrong_label(self.label, self.of)):
            yield wrong
        elif same := _first_twice(row.label for row in self.rows()):
            yield f"label calls two rows {same!r}: write every axis that has several values in it"

    def rows(self) -> Iterator[Row]:
        """All combinations, the last axis fastest."""
        for values in product(*self.of.values()):
            chosen = dict(zip(self.of, values, strict=True))
            settings: dict[str, Any] = {}
            keys: dict[str, Key] = {}
            for axis, value in chosen.items():
                settings |= self.of[axis][value]
                keys |= {key: ("axes", "of", axis, value, key) for key in self.of[axis][value]}
            name = row_id(chosen)
            label = self.label.format(**chosen) if self.label and not _wrong_label(self.label, self.of) else name
            yield Row(name, label, settings, keys, chosen)


class Rows(Settings):
    """What a sweep's table compares: give one of the three."""

    strategies: StrategyControl | None = None
    variants: Variants | None = None
    axes: Axes | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(type(self).model_fields)
            raise ValueError(f"needs one of {known}, got {' and '.join(given) or 'none'}")
        return self

    @property
    def parameter(self) -> str:
        """What the search calls the parameter that chooses a row."""
        return STRATEGY if self.strategies is not None else ROW

    @property
    def control(self) -> str:
        """The row that differences are against."""
        if self.axes is not None:
            return row_id({axis: self.axes.control[axis] for axis in self.axes.of})
        form = self.variants or self.strategies
        assert form is not None
        return form.control

    def variants_of_experiment(self) -> tuple[Row, ...]:
        """In the file's order; empty where rows are strategies."""
        form = self.variants or self.axes
        return () if form is None else tuple(form.rows())


def row_id(chosen: Mapping[str, str]) -> str:
    """`pretrain-20.lm-0`"""
    return ".".join(f"{axis}-{value}" for axis, value in chosen.items())


def _wrong_label(label: str, axes: Mapping[str, object]) -> str | None:
    try:
        parts = [tuple(part[1:]) for part in Formatter().parse(label)]
    except ValueError:  # a brace without its partner
        parts = [("", "", None)]
    if any(part not in ((None, None, None), *((axis, "", None) for axis in axes)) for part in parts):
        return f"label has a part in braces that is no axis; there are {', '.join(f'{{{axis}}}' for axis in axes)}"
    return None if label.isprintable() else "label must be one line of text"


def _first_twice(names: Iterable[str]) -> str | None:
    """The first that comes again."""
    return next((name for name, count in Counter(names).items() if count > 1), None)
