"""Names of settings that begin as typed, for a shell's completion: keys of experiment files and of sweep files."""

from collections.abc import Iterator, Sequence
from typing import Any

from intelligen.config.base import Settings
from intelligen.config.schema.setting_paths import alternatives, child, is_settings


def settings_that_begin(settings: type[Settings], typed: str) -> list[str]:
    """Dotted keys that go on from what was typed: a group ends with a dot, a setting with `=`."""
    *groups, last = typed.split(".")
    reached: Sequence[Any] = [settings]
    for group in groups:
        reached = [inner for one in reached for inner in _groups(child(one, group))]
    found: dict[str, str] = {}
    for one in reached:
        for name, _ in one.model_fields.items():
            if name.startswith(last):
                end = "." if any(True for _ in _groups(child(one, name))) else "="
                found[".".join([*groups, name])] = end
    return [f"{key}{end}" for key, end in found.items()]


def _groups(annotation: Any) -> Iterator[type[Settings]]:
    """The classes of settings that a setting may have."""
    if annotation is not None:
        yield from (option for option in alternatives(annotation).values() if is_settings(option))
