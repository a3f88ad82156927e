"""Every corner of a search space is a valid experiment, so no trial fails for what could be read beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from intelligen.config.changes import Change, changed
from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems
from intelligen.config.experiment import Experiment
from intelligen.config.paths import has_setting, option_names, resolve_key
from intelligen.config.problems import Problem, check
from intelligen.config.space import Choice, Const, Space
from intelligen.config.sweep import Sweep

# All trials of a sweep start from one baseline, so its shape, its data and its own training are the same for all.
VARIABLE_GROUPS = ("finetuning", "strategy", "decoding")
VARIABLE_SETTINGS = ("model.dropout", "model.attention_dropout", "model.activation_dropout")

Values = dict[str, JsonValue]


@dataclass(frozen=True)
class _Entry:
    """One line of a search space."""

    setting: str
    """The experiment key that it varies."""
    space: Space
    place: Key
    """Where it stands in the sweep file."""

    def options(self) -> dict[str, "list[_Entry]"]:
        """Each named option's own entries; empty where options have none."""
        if not isinstance(self.space, Choice) or isinstance(self.space.choice, list):
            return {}
        return {
            name: _entries(inner, (*self.place, "choice", name), parent=self.setting)
            for name, inner in self.space.choice.items()
        }

    def values(self) -> list[tuple[Key, JsonValue]]:
        """(place, value): both ends of a range, every value of a list, a constant; none where options are named."""
        if self.options():
            return []
        (form,) = type(self.space).model_fields
        if isinstance(self.space, Const):
            return [((*self.place, form), self.space.const)]
        return [((*self.place, form, i), value) for i, value in enumerate(getattr(self.space, form))]

    def concerned(self, problem: Problem) -> bool:
        """Whether the problem's key is the entry's setting, a part of it or a group around it."""
        chooses = isinstance(self.space, Choice) and option_names(Experiment, self.setting)
        setting = f"{self.setting}.name" if chooses else self.setting
        return all(mine == theirs for mine, theirs in zip(setting.split("."), problem.key, strict=False))


def check_space(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """Try the first value of everything together, then every end and every option by itself.

    Args:
        sweep: whose space is checked.
        experiment: what the space varies.
        document: the sweep's file, for the lines in messages.

    Raises:
        ConfigError: a key is no setting or may not vary, or a value of it breaks the setting's rule.

    """
    entries = _entries(sweep.space, ("space",))
    raise_problems([_line(document, entry.place, entry, what) for entry, what in _misplaced(entries)])
    trials = _Trials(experiment, document)
    together = trials.vary(entries, {})
    raise_problems(list(trials.told.values()))
    raise_problems([problem_line(document.origin(("space",)), "space", problem.what) for problem in together])


class _Trials:
    """Tries values on the experiment and keeps one line for each entry that can break it."""

    def __init__(self, experiment: Experiment, document: Document) -> None:
        self.told: dict[Key, str] = {}
        self._known: set[Problem] = set()
        self._document = document
        self._experiment = Document(experiment.model_dump(mode="json"), {})

    def vary(self, entries: Sequence[_Entry], around: Values) -> list[Problem]:
        """Move one entry at a time off its first value; returns the problems of the first values together."""
        together = self._problems(around | _first_values(entries))
        for entry in entries:
            others = around | _first_values([other for other in entries if other is not entry])
            for place, value in entry.values():
                self._tell(entry, place, self._problems(others | {entry.setting: value}), usual=together)
            for name, inner in entry.options().items():
                found = self.vary(inner, others | {f"{entry.setting}.name": name})
                self._tell(entry, (*entry.place, "choice", name), found, usual=together)
        return together

    def _problems(self, values: Values) -> list[Problem]:
        changes = [Change(key, value) for key, value in values.items()]
        found = check(Experiment, changed(self._experiment, Experiment, changes).data)
        return found if isinstance(found, list) else []

    def _tell(self, entry: _Entry, place: Key, problems: Sequence[Problem], *, usual: Sequence[Problem]) -> None:
        for problem in problems:
            own = entry.concerned(problem)
            if problem not in self._known and entry.place not in self.told and (own or problem not in usual):
                what = problem.what if own else f"{dotted(problem.key)}: {problem.what}"
                self.told[entry.place] = _line(self._document, place, entry, what)
                self._known.add(problem)


def _line(document: Document, place: Key, entry: _Entry, what: str) -> str:
    return problem_line(document.origin(place), dotted(entry.place), what)


def _entries(spaces: Mapping[str, Space], place: Key, *, parent: str = "") -> list[_Entry]:
    return [_Entry(resolve_key(parent, key) if parent else key, space, (*place, key)) for key, space in spaces.items()]


def _misplaced(entries: Sequence[_Entry], outer: Sequence[str] = ()) -> Iterator[tuple[_Entry, str]]:
    """Entries at settings that exist but may not vary, not in this form, or vary already."""
    settings = [*outer, *(entry.setting for entry in entries)]
    for position, entry in enumerate(entries, start=len(outer)):
        exists = has_setting(Experiment, entry.setting)  # if not, trying its values tells which key is near
        if exists and not _may_vary(entry.setting):
            allowed = ", ".join([*(f"{group}.*" for group in VARIABLE_GROUPS), *VARIABLE_SETTINGS])
            yield entry, f"cannot vary, because all trials start from one baseline; what can: {allowed}"
        elif exists and entry.options() and not option_names(Experiment, entry.setting):
            yield entry, "has no options with settings of their own, as strategy has; write a list of values"
        elif entry.setting in settings[:position]:
            yield entry, f"{entry.setting} varies at two places of one trial's space; keep one of them"
        for inner in entry.options().values():
            yield from _misplaced(inner, settings)


def _may_vary(setting: str) -> bool:
    return setting in VARIABLE_SETTINGS or setting.partition(".")[0] in VARIABLE_GROUPS


def _first_values(entries: Sequence[_Entry]) -> Values:
    values: Values = {}
    for entry in entries:
        for name, inner in list(entry.options().items())[:1]:
            values |= {f"{entry.setting}.name": name, **_first_values(inner)}
        for _, value in entry.values()[:1]:
            values[entry.setting] = value
    return values
