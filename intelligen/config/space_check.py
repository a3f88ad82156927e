"""Every corner of a search space is a valid experiment, so no trial fails for what could be read beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

from pydantic import JsonValue

from intelligen.config.changes import Change, changed
from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems
from intelligen.config.experiment import Experiment
from intelligen.config.mixture import Weights
from intelligen.config.paths import has_setting, holds, option_names, resolve_key
from intelligen.config.problems import Problem, check
from intelligen.config.schedules import ProbabilitySchedule
from intelligen.config.space import Choice, Const, ScheduleRanges, SearchedSchedule, Simplex, Space
from intelligen.config.sweep import Sweep
from intelligen.config.wording import one_of

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

    @property
    def contents(self) -> Key:
        """Where stands what its form holds."""
        (form,) = type(self.space).model_fields
        return (*self.place, form)

    @property
    def parameter(self) -> str:
        """What the search calls it: the options around it and its key as written."""
        return "/".join(str(part) for part in (*self.place[3::3], self.place[-1]))

    def options(self) -> dict[str, "list[_Entry]"]:
        """Each named option's own entries; empty where options have none."""
        if not isinstance(self.space, Choice) or isinstance(self.space.choice, list):
            return {}
        return {
            name: _entries(inner, (*self.place, "choice", name), parent=self.setting)
            for name, inner in self.space.choice.items()
        }

    def values(self) -> list[tuple[Key, JsonValue]]:
        """(place, value) of each corner; none where options are named.

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
        listed = [] if self.options() else getattr(self.space, str(self.contents[-1]))
        return [((*self.contents, i), value) for i, value in enumerate(listed)]

    def below(self, key: Key) -> Key | None:
        """What of a problem's key lies below the entry's setting; None where it concerns another setting."""
        chooses = isinstance(self.space, Choice) and option_names(Experiment, self.setting)
        setting = f"{self.setting}.name" if chooses else self.setting
        parts = setting.split(".")
        own = all(mine == str(theirs) for mine, theirs in zip(parts, key, strict=False))
        return key[len(parts) :] if own else None


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
            below = entry.below(problem.key)
            if problem in self._known or entry.place in self.told or (below is None and problem in usual):
                continue
            part = (*entry.contents, *(below or ()))
            where = place if place[: len(part)] == part else part
            key = dotted(problem.key if below is None else below)
            self.told[entry.place] = _line(self._document, where, entry, f"{key}: {problem.what}".removeprefix(": "))
            self._known.add(problem)


def _line(document: Document, place: Key, entry: _Entry, what: str) -> str:
    return problem_line(document.origin(place), dotted(entry.place), what)


def _entries(spaces: Mapping[str, Space], place: Key, *, parent: str = "") -> list[_Entry]:
    return [_Entry(resolve_key(parent, key) if parent else key, space, (*place, key)) for key, space in spaces.items()]


def _misplaced(entries: Sequence[_Entry]) -> Iterator[tuple[_Entry, str]]:
    """Entries at settings that exist but may not vary, not in this form, or vary already."""
    everything = list(_with_inner(entries))
    for position, entry in enumerate(everything):
        exists = has_setting(Experiment, entry.setting)  # if not, trying its values tells which key is near
        if exists and not _may_vary(entry.setting):
            allowed = ", ".join([*(f"{group}.*" for group in VARIABLE_GROUPS), *VARIABLE_SETTINGS])
            yield entry, f"cannot vary, because all trials start from one baseline; what can: {allowed}"
        elif exists and (problem := _unfit_form(entry)):
            yield entry, problem
        for earlier in everything[:position]:
            if problem := _clash(entry, earlier):
                yield entry, problem


def _with_inner(entries: Sequence[_Entry]) -> Iterator[_Entry]:
    for entry in entries:
        yield entry
        for inner in entry.options().values():
            yield from _with_inner(inner)


def _unfit_form(entry: _Entry) -> str | None:
    match entry.space:
        case Choice(choice=dict()) if not option_names(Experiment, entry.setting):
            return "has no options with settings of their own, as strategy has; write a list of values"
        case Simplex() if not holds(Experiment, entry.setting, Weights):
            return "a simplex divides the weights of strategies, as in strategy.policy.weights; this setting has none"
        case Simplex(simplex=parts):
            known = tuple(Weights.model_fields)
            unknown = (one_of(known, part) for part in parts if part not in known)
            return next((f"mixing weights of an unknown strategy: {problem}" for problem in unknown), None)
        case SearchedSchedule() if not holds(Experiment, entry.setting, ProbabilitySchedule):
            return "a schedule is how a probability moves, as in strategy.probability; this setting does not move"
    return None


def _clash(entry: _Entry, earlier: _Entry) -> str | None:
    """What is wrong with both entries in one trial; nothing where they belong to different options of one choice."""
    common = len(list(takewhile(bool, map(eq, entry.place, earlier.place))))
    if entry.place[common - 1] == "choice":
        return None
    if entry.setting == earlier.setting:
        return f"{entry.setting} varies at two places of one trial's space; keep one of them"
    for whole, part in ((entry, earlier), (earlier, entry)):
        if isinstance(whole.space, Simplex | SearchedSchedule) and part.setting.startswith(f"{whole.setting}."):
            return f"{part.setting} varies already as a part of {whole.setting}; keep one of them"
    drawn = not isinstance(entry.space, Const) and not isinstance(earlier.space, Const)
    if drawn and entry.parameter == earlier.parameter:
        return f"{entry.parameter} names {earlier.setting} already; write the complete key {entry.setting}"
    return None


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


def _vertex(parts: Sequence[str], heavy: str) -> JsonValue:
    return {part: float(part == heavy) for part in parts}


def _schedules(ranges: ScheduleRanges, place: Key) -> Iterator[tuple[Key, JsonValue]]:
    for shape in ranges.shapes:
        ends = {name: both if isinstance(both, list) else [both] for name, both in ranges.numbers(shape).items()}
        first: Values = {"shape": shape, **{name: both[0] for name, both in ends.items()}}
        for name, both in ends.items():
            for i, end in enumerate(both):
                yield (*place, name, i), first | {name: end}
