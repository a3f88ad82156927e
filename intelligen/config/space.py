"""The forms in which a sweep file writes a search space; each form is a mapping with one key."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from intelligen.config.base import Settings

Scalar = bool | int | float | str | None


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

    int: tuple[int, int]


class LogInt(_Range):
    """`{log_int: [low, high]}`: whole numbers, uniform in the logarithm."""

    log_int: tuple[int, int]


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
            raise ValueError("an option stands twice")
        return self


FORMS: dict[str, type[Settings]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "int": Int,
    "log_int": LogInt,
    "choice": Choice,
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
    | Annotated[Const, Tag("const")],
    Discriminator(
        _form,
        custom_error_type="space_form",
        custom_error_message="a search space entry is a mapping with one key of: " + ", ".join(FORMS),
    ),
]
Choice.model_rebuild()
