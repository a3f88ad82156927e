"""What a search space lets vary, parameter by parameter, under the names that the search gives them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import assert_never

from pydantic import JsonValue

from intelligen.config.document import Key, shown
from intelligen.config.space import (
    Choice,
    Const,
    Int,
    LogInt,
    LogUniform,
    Scalar,
    SearchedSchedule,
    Simplex,
    Space,
    Uniform,
    Zip,
)


@dataclass(frozen=True)
class Parameter:
    """One thing that is drawn: from a list of values, or from a range."""

    name: str
    """`finetuning.optimizer.learning_rate`, `generative/probability.start`"""
    place: Key
    """Where its entry stands in the sweep file."""
    choices: tuple[Scalar, ...] = ()
    """Empty where it is drawn from a range."""
    ends: tuple[float, float] = (0.0, 1.0)
    whole: bool = False
    """Whether only the whole numbers of the range are meant."""

    @property
    def continuous(self) -> bool:
        """Whether it has more values than can be listed."""
        return not self.choices and not self.whole

    def accepted(self, value: JsonValue) -> Scalar:
        """The value as the search writes it.

        Raises:
            ValueError: it is none of the parameter's.

        """
        if self.choices:
            for choice in self.choices:
                if choice == value and isinstance(choice, bool) is isinstance(value, bool):
                    return choice
            raise ValueError(f"must be one of {', '.join(map(shown, self.choices))}, got {shown(value)}")
        low, high = self.ends
        kind = "a whole number" if self.whole else "a number"
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            if not self.whole:
                return float(value)
            if value == int(value):
                return int(value)
        raise ValueError(f"must be {kind} from {low:g} to {high:g}, got {shown(value)}")


def parameters(space: Mapping[str, Space], *, place: Key = ("space",), options: str = "") -> Iterator[Parameter]:
    """Every parameter of the space, those of options included, in the order of the file."""
    for key, form in space.items():
        name, here = options + key, (*place, key)
        match form:
            case Uniform(uniform=ends) | LogUniform(log_uniform=ends):
                yield Parameter(name, here, ends=ends)
            case Int(int=ends) | LogInt(log_int=ends):
                yield Parameter(name, here, ends=ends, whole=True)
            case Const():
                pass
            case Simplex(simplex=parts):
                yield from (Parameter(f"{name}.{part}", here) for part in parts[:-1])
            case SearchedSchedule(schedule=ranges):
                if isinstance(ranges.shape, list):
                    yield Parameter(f"{name}.shape", here, choices=ranges.shapes)
                for number in ("start", "end", "k"):
                    if isinstance(both := getattr(ranges, number), list):
                        yield Parameter(f"{name}.{number}", here, ends=(both[0], both[1]))
            case Zip():
                yield Parameter(name, here, choices=tuple(range(len(form.rows))))
            case Choice(choice=list() as values):
                yield Parameter(name, here, choices=tuple(values))
            case Choice(choice=spaces):
                assert isinstance(spaces, dict)
                yield Parameter(name, here, choices=tuple(spaces))
                for option, inner in spaces.items():
                    yield from parameters(inner, place=(*here, "choice", option), options=f"{options}{option}/")
            case _:
                assert_never(form)


def grid_size(space: Mapping[str, Space]) -> int:
    """The number of points of a space without continuous parameters."""
    return prod(_size(form) for form in space.values())


def _size(form: Space) -> int:
    match form:
        case Const():
            return 1
        case Int(int=(low, high)) | LogInt(log_int=(low, high)):
            return high - low + 1
        case SearchedSchedule(schedule=ranges):
            return len(ranges.shapes)
        case Zip():
            return len(form.rows)
        case Choice(choice=list() as values):
            return len(values)
        case Choice(choice=spaces):
            assert isinstance(spaces, dict)
            return sum(grid_size(inner) for inner in spaces.values())
        case Uniform() | LogUniform() | Simplex():
            raise AssertionError(f"{form} has no end of points")
        case _:
            assert_never(form)
