"""Parameters of a search space, under the names that the search gives them; the size of its grid."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, assert_never

from pydantic import JsonValue

from intelligen.config.document import Key, shown
from intelligen.config.schema.space_forms import (
    Choice,
    Const,
    Int,
    LogInt,
    LogUniform,
    Scalar,
    ScheduleRanges,
    SearchedSchedule,
    Simplex,
    Space,
    Uniform,
    Zip,
)

Needs = tuple[tuple[str, tuple[Scalar, ...]], ...]
"""Parameters and values: what exists only where each of these has one of its values."""


@dataclass(frozen=True)
class Parameter:
    """One thing that is drawn: from a list of values, or from a range."""

    name: str
    """`finetuning.optimizer.learning_rate`, `generative/probability.start`"""
    key: Key
    """Key of its entry in the sweep file."""
    choices: tuple[Scalar, ...] = ()
    """Empty where it is drawn from a range."""
    ends: tuple[float, float] = (0.0, 1.0)
    whole: bool = False
    """Whether only the whole numbers of the range are meant."""
    needs: Needs = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    """Of a zip: the settings behind each number."""

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

    def why_absent(self, point: Mapping[str, Scalar]) -> str | None:
        """Why the search would not draw it, by what else the point names; None where it would."""
        for name, values in self.needs:
            with_it = f"exists only with {name}: {' or '.join(map(str, values))}"
            if name not in point:
                return f"{with_it}; give that too, or leave this out"
            if point[name] not in values:
                return f"{with_it}, but the point has {shown(point[name])}; remove one of them"
        return None


def parameters(
    space: Mapping[str, Space], *, parent: Key = ("space",), options: str = "", needs: Needs = ()
) -> Iterator[Parameter]:
    """Every parameter of the space, those of options included, in the order of the file."""
    for key, form in space.items():
        name, here = options + key, (*parent, key)
        parameter = partial(Parameter, key=here, needs=needs)
        match form:
            case Uniform(uniform=ends) | LogUniform(log_uniform=ends):
                yield parameter(name, ends=ends)
            case Int(int=ends) | LogInt(log_int=ends):
                yield parameter(name, ends=ends, whole=True)
            case Const():
                pass
            case Simplex(simplex=parts):
                yield from (parameter(f"{name}.{part}") for part in parts[:-1])
            case SearchedSchedule(schedule=ranges):
                yield from _of_schedule(name, here, ranges, needs)
            case Zip():
                yield parameter(name, choices=tuple(range(len(form.rows))), rows=tuple(form.rows))
            case Choice(choice=list() as values):
                yield parameter(name, choices=tuple(values))
            case Choice(choice=spaces):
                assert isinstance(spaces, dict)
                yield parameter(name, choices=tuple(spaces))
                for option, inner in spaces.items():
                    needed = (*needs, *_needed(name, [option], of=spaces))
                    yield from parameters(
                        inner, parent=(*here, "choice", option), options=f"{options}{option}/", needs=needed
                    )
            case _:
                assert_never(form)


def _of_schedule(name: str, parent: Key, ranges: ScheduleRanges, needs: Needs) -> Iterator[Parameter]:
    if isinstance(ranges.shape, list):
        yield Parameter(f"{name}.shape", parent, choices=ranges.shapes, needs=needs)
    for number in ("start", "end", "k"):
        if isinstance(ends := getattr(ranges, number), list):
            having = [shape for shape in ranges.shapes if number in ranges.numbers(shape)]
            needed = _needed(f"{name}.shape", having, of=ranges.shapes)
            yield Parameter(f"{name}.{number}", parent, ends=(ends[0], ends[1]), needs=(*needs, *needed))


def _needed(name: str, values: Sequence[str], *, of: Collection[str]) -> Needs:
    return ((name, tuple(values)),) if len(values) < len(of) else ()


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
            raise AssertionError(f"{form} has infinitely many points")
        case _:
            assert_never(form)
