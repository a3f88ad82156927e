"""Entries of a search space: each is one setting of the experiment, with the values that it may take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import JsonValue

from intelligen.config.document import Key
from intelligen.config.files.several_values import setting_at
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.setting_paths import option_names, resolve_key
from intelligen.config.schema.space_forms import Choice, Const, ScheduleRanges, SearchedSchedule, Simplex, Space, Zip

Values = dict[str, JsonValue]
"""Dotted experiment key → value."""


@dataclass(frozen=True)
class Entry:
    """One setting that a search space varies."""

    parent: str
    """The setting whose option it belongs to; empty outside of options."""
    space: Space
    draw: Key
    """Key of its form in the sweep file. The settings of a zip share their draw."""
    column: str | None = None
    """Its key as written in a zip; None elsewhere, where the form's own key is the setting."""
    without: frozenset[Key] = frozenset()
    """Keys of entries that are left out of its options."""

    @property
    def written(self) -> str:
        """The form's own key."""
        return str(self.draw[-1])

    @property
    def setting(self) -> str:
        """The experiment key that it varies."""
        return resolve_key(self.parent, self.written if self.column is None else self.column)

    @property
    def key(self) -> Key:
        """Its key in the sweep file."""
        return self.draw if self.column is None else self.contents

    @property
    def contents(self) -> Key:
        """The key of its values."""
        (form,) = type(self.space).model_fields
        return (*self.draw, form) if self.column is None else (*self.draw, form, self.column)

    @property
    def parameter(self) -> str:
        """What the search calls it: the options around it and the form's key."""
        return "/".join(str(part) for part in (*self.draw[3::3], self.written))

    def options(self) -> dict[str, "list[Entry]"]:
        """Each named option's own entries; empty where options have none."""
        if not isinstance(self.space, Choice) or isinstance(self.space.choice, list):
            return {}
        return {
            name: entries_of(inner, (*self.draw, "choice", name), parent=self.setting, without=self.without)
            for name, inner in self.space.choice.items()
        }

    def values(self) -> list[tuple[Key, JsonValue]]:
        """(key, value) of each corner; none where options are named.

        Both ends of a range, every value of a list, a constant, a simplex with all weight on one part, every shape of a
        schedule with both ends of each of its numbers.
        """
        match self.space:
            case Const(const=value):
                return [(self.contents, value)]
            case Simplex(simplex=parts):
                return [((*self.contents, i), _vertex(parts, part)) for i, part in enumerate(parts)]
            case SearchedSchedule(schedule=ranges):
                return list(_schedules(ranges, self.contents))
            case Zip(zip=columns):
                listed = columns[str(self.column)]
            case _:
                listed = [] if self.options() else getattr(self.space, str(self.contents[-1]))
        return [((*self.contents, i), value) for i, value in enumerate(listed)]

    def below(self, key: Key) -> Key | None:
        """What of a problem's key lies below the entry's setting; None where it concerns another setting."""
        lists = isinstance(self.space, Choice | Zip)  # where text is short for an option's name
        setting = f"{self.setting}.name" if lists and option_names(Experiment, self.setting) else self.setting
        parts = setting.split(".")
        own = all(mine == str(theirs) for mine, theirs in zip(parts, key, strict=False))
        return key[len(parts) :] if own else None


def entries_of(
    spaces: Mapping[str, Space], prefix: Key, *, parent: str = "", without: frozenset[Key] = frozenset()
) -> list[Entry]:
    """The entries of the space at the key `prefix`, without those of options.

    Args:
        spaces: Key → its form.
        prefix: The key of the space in the sweep file.
        parent: The setting whose option the space belongs to; empty outside of options.
        without: Keys of entries that are left out, here and in options, and with them the parts of their settings.

    """
    entries: list[Entry] = []
    for key, space in spaces.items():
        columns: Sequence[str | None] = list(space.zip) if isinstance(space, Zip) else [None]
        entries += [Entry(parent, space, (*prefix, key), column, without) for column in columns]
    if not without:
        return entries
    gone = [setting_at(key) for key in without if len(key) % 3 == 2]  # of whole entries, not of parts of one
    return [
        entry
        for entry in entries
        if not {entry.key, entry.draw} & without
        and not any(entry.setting.startswith(f"{setting}.") for setting in gone)
    ]


def with_inner(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, and those of all options below them."""
    for entry in entries:
        yield entry
        for inner in entry.options().values():
            yield from with_inner(inner)


def draws(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The entries by what is drawn at once: the settings of a zip together, every other by itself."""
    return [list(together) for _, together in groupby(entries, key=lambda entry: entry.draw)]


def first_values(entries: Sequence[Entry]) -> Values:
    """The first corner of every entry, and of the entries of first options."""
    values: Values = {}
    for entry in entries:
        for name, inner in list(entry.options().items())[:1]:
            values |= {f"{entry.setting}.name": name, **first_values(inner)}
        for _, value in entry.values()[:1]:
            values[entry.setting] = value
    return values


def _vertex(parts: Sequence[str], heavy: str) -> JsonValue:
    return {part: float(part == heavy) for part in parts}


def _schedules(ranges: ScheduleRanges, prefix: Key) -> Iterator[tuple[Key, JsonValue]]:
    for shape in ranges.shapes:
        ends = {name: both if isinstance(both, list) else [both] for name, both in ranges.numbers(shape).items()}
        first: Values = {"shape": shape, **{name: both[0] for name, both in ends.items()}}
        for name, both in ends.items():
            for i, end in enumerate(both):
                yield (*prefix, name, i), first | {name: end}
