"""Grid search: walks the space option by option; conditional parameters are crossed only where they exist."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import optuna

from intelligen.config.schema.space_forms import Space
from intelligen.sweep.search.define_by_run import suggest


def grid_points(space: Mapping[str, Space]) -> Iterator[dict[str, Any]]:
    """Every point of a space without continuous parameters, as parameter → value; the last parameter moves fastest."""
    digits: list[int] = []
    while True:
        odometer = _Odometer(digits)
        # To `suggest` a trial is who answers `suggest_int` and `suggest_categorical`.
        suggest(cast(optuna.Trial, odometer), space)
        yield odometer.params
        digits = odometer.digits
        while digits and digits[-1] == odometer.widths[len(digits) - 1] - 1:
            digits = digits[:-1]
        if not digits:
            return
        digits = [*digits[:-1], digits[-1] + 1]


class _Odometer:
    """Answers each suggestion with the value of its digit; digits beyond those given are 0, the first value."""

    def __init__(self, digits: Sequence[int]) -> None:
        self._given = digits
        self.digits: list[int] = []
        self.widths: list[int] = []
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        wheel = len(self.digits)
        self.digits.append(self._given[wheel] if wheel < len(self._given) else 0)
        self.widths.append(len(choices))
        self.params[name] = choices[self.digits[wheel]]
        return self.params[name]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        value: int = self.suggest_categorical(name, range(low, high + 1))
        return value
