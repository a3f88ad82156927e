"""Control strategies: which ones a comparison needs, and the message where one is missing."""

from collections.abc import Iterable, Iterator, Sequence

from intelligen.config.schema.declarations import MATCHED, STANDARD
from intelligen.config.schema.own_controls import own_control, trained_by
from intelligen.config.schema.strategies import declared


def missing_controls(strategies: Sequence[str]) -> list[str]:
    """One line for each control that these strategies declare and do not have among them: what, why, the fix.

    Raises:
        ConfigError: There is no strategy of such a name.

    """
    return list(_missing(strategies))


def is_control(strategy: str) -> bool:
    """Whether others are held against it.

    Raises:
        ConfigError: There is no strategy of that name.

    """
    return declared(trained_by(strategy)).control_for is not None


def _missing(names: Sequence[str]) -> Iterator[str]:
    own = {name: declared(name).controls for name in names if not is_control(name)}
    for control in (STANDARD, MATCHED):
        wanting = [name for name, controls in own.items() if control in controls and not _has_own(name, control, names)]
        if wanting and control not in names:
            yield f"no `{control}` beside {_listed(wanting)}: {declared(control).control_for}"
    for name, controls in own.items():
        if missing := [control for control in controls if control not in (STANDARD, MATCHED, *names)]:
            yield f"no {_listed(missing)} beside {name}: {declared(missing[0]).control_for}"


def _has_own(strategy: str, control: str, names: Sequence[str]) -> bool:
    """Whether it is held against an own control in place of this one."""
    return control == MATCHED and own_control(strategy) in names


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
