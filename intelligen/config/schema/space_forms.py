"""Forms of a search space: uniform, choice, simplex, zip and the like, each a mapping with one key."""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from intelligen.config.base import Settings
from intelligen.config.document import nearest
from intelligen.config.schema.probability_schedule import SHAPES

Scalar = bool | int | float | str | None
# Samplers compute with floats, to which the ends of 64 bits are not whole numbers any more.
_End = Annotated[int, Field(gt=-(2**31), lt=2**31)]
_SHAPES_WITH_K = ("exponential", "inverse_sigmoid")


class _Range(Settings):
    """Shared check of two-ended ranges."""

    @model_validator(mode="after")
    def _ordered(self) -> "_Range":
        (name,) = type(self).model_fields
        low, high = getattr(self, name)
        if low >= high:
            raise ValueError(f"low must be below high, got [{low}, {high}]")
        if name.startswith("log_") and low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got [{low}, {high}]")
        return self


class Uniform(_Range):
    """`{uniform: [low, high]}`"""

    uniform: tuple[float, float]


class LogUniform(_Range):
    """`{log_uniform: [low, high]}`: uniform in the logarithm."""

    log_uniform: tuple[float, float]


class Int(_Range):
    """`{int: [low, high]}`: whole numbers, both ends included."""

    int: tuple[_End, _End]


class LogInt(_Range):
    """`{log_int: [low, high]}`: whole numbers, uniform in the logarithm."""

    log_int: tuple[_End, _End]


class Const(Settings):
    """`{const: value}`: one value, written into every trial."""

    const: Any


class Choice(Settings):
    """`{choice: [a, b]}`, or `{choice: {a: {parameters}, b: {parameters}}}`.

    In the second form each option has a space of its own: its parameters exist only where it is chosen.
    """

    choice: Annotated[list[Scalar], Field(min_length=1)] | Annotated[dict[str, dict[str, "Space"]], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> "Choice":
        if isinstance(self.choice, list) and len({(type(o), o) for o in self.choice}) != len(self.choice):
            raise ValueError("an option occurs twice")
        return self


class Simplex(Settings):
    """`{simplex: [a, b, c]}`: weights of the named parts, uniform over all that sum to 1."""

    simplex: list[str]

    @model_validator(mode="after")
    def _distinct(self) -> "Simplex":
        if len(set(self.simplex)) != len(self.simplex):
            raise ValueError("a part of the simplex occurs twice")
        if len(self.simplex) < 2:
            raise ValueError("a simplex needs at least two parts: the weight of one alone is always 1")
        return self


class Zip(Settings):
    """`{zip: {key: [a, b], key: [c, d]}}`: one row of the settings' values, all of it together.

    The entry's own key is no setting but the name of what is drawn: the number of the row, from 0.
    """

    zip: dict[str, Annotated[list[Any], Field(min_length=1)]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Setting as written → value, row by row."""
        return [dict(zip(self.zip, values, strict=True)) for values in zip(*self.zip.values(), strict=True)]

    @model_validator(mode="after")
    def _paired(self) -> "Zip":
        if len(self.zip) < 2:
            raise ValueError("a zip pairs at least two settings; write a choice for one alone")
        (first, values), *others = self.zip.items()
        for key, more in others:
            if len(more) != len(values):
                raise ValueError(f"zip.{key} must have as many values as {first} ({len(values)}), got {len(more)}")
        if len({repr(row) for row in self.rows}) != len(values):
            raise ValueError("a row of the zip occurs twice")
        return self


class ScheduleRanges(Settings):
    """What is drawn of a schedule: of a list `[low, high]` a number, of a list of shapes one; a single value stays."""

    shape: str | list[str]
    start: float | list[float]
    end: float | list[float] | None = None
    k: float | list[float] | None = None

    @property
    def shapes(self) -> tuple[str, ...]:
        """All shapes, in the file's order."""
        return tuple(self.shape) if isinstance(self.shape, list) else (self.shape,)

    def numbers(self, shape: str) -> dict[str, float | list[float]]:
        """Value or range of each number that a schedule of this shape has."""
        had = {"start": True, "end": shape != "constant", "k": shape in _SHAPES_WITH_K}
        return {name: ends for name in had if had[name] and (ends := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _complete(self) -> "ScheduleRanges":
        problem = next(chain(self._bad_ranges(), self._bad_shapes(), self._bad_numbers()), None)
        if problem is not None:
            raise ValueError(problem)
        return self

    def _bad_ranges(self) -> Iterator[str]:
        for name in ("start", "end", "k"):
            ends = getattr(self, name)
            if isinstance(ends, list) and (len(ends) != 2 or ends[0] >= ends[1]):
                yield f"{name} must be one number, or [low, high] with low below high, got {ends}"

    def _bad_shapes(self) -> Iterator[str]:
        if not self.shapes:
            yield "shape must not be empty"
        if len(set(self.shapes)) != len(self.shapes):
            yield "shape has an entry that occurs twice"
        for shape in self.shapes:
            if shape not in SHAPES:
                yield f'shape must be of {", ".join(SHAPES)}, got "{shape}"; {nearest(shape, SHAPES)}'

    def _bad_numbers(self) -> Iterator[str]:
        moving = [shape for shape in self.shapes if shape != "constant"]
        with_k = [shape for shape in self.shapes if shape in _SHAPES_WITH_K]
        if moving and self.end is None:
            yield f"shape {moving[0]} goes from start to `end`: add it"
        if self.end is not None and not moving:
            yield "end has no effect if the only shape is constant: remove it"
        if len(with_k) > 1:
            yield f"shape {' and '.join(with_k)} cannot be combined, because no k is valid for both; keep one of them"
        if with_k and self.k is None:
            yield f"shape {with_k[0]} needs k: add it"
        if self.k is not None and not with_k:
            yield f"k belongs to shape {' or '.join(_SHAPES_WITH_K)}: remove it"


class SearchedSchedule(Settings):
    """`{schedule: {shape: [linear, cosine], start: [low, high], end: [low, high]}}`: how a probability moves."""

    schedule: ScheduleRanges


FORMS: dict[str, type[Settings]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "int": Int,
    "log_int": LogInt,
    "choice": Choice,
    "simplex": Simplex,
    "schedule": SearchedSchedule,
    "zip": Zip,
    "const": Const,
}


def _form(value: Any) -> str | None:
    if isinstance(value, Settings):
        return next(iter(type(value).model_fields))
    if isinstance(value, dict) and len(value) == 1:
        key = next(iter(value))
        return key if key in FORMS else None
    return None


Space = Annotated[
    Annotated[Uniform, Tag("uniform")]
    | Annotated[LogUniform, Tag("log_uniform")]
    | Annotated[Int, Tag("int")]
    | Annotated[LogInt, Tag("log_int")]
    | Annotated[Choice, Tag("choice")]
    | Annotated[Simplex, Tag("simplex")]
    | Annotated[SearchedSchedule, Tag("schedule")]
    | Annotated[Zip, Tag("zip")]
    | Annotated[Const, Tag("const")],
    Discriminator(
        _form,
        custom_error_type="space_form",
        custom_error_message="a search space entry is a mapping with one key of: " + ", ".join(FORMS),
    ),
]
Choice.model_rebuild()
