"""Checks a search space: every corner of it must be a valid experiment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile
from operator import eq

from intelligen.config.base import NAME_PATTERN
from intelligen.config.document import Document, Key, dotted, one_of, problem_line, raise_problems
from intelligen.config.files.config_errors import Problem, check, placing
from intelligen.config.files.overrides import Override, with_overrides
from intelligen.config.files.suggested_fixes import fixes_in_line
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.setting_paths import has_setting, holds, option_names, resolve_key
from intelligen.config.schema.space_forms import Choice, Const, SearchedSchedule, Simplex
from intelligen.config.schema.strategy_mixture import Weights
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.variable_settings import (
    VARIABLE_GROUPS,
    VARIABLE_GROUPS_OF_TRAINING,
    VARIABLE_SETTINGS,
    may_vary,
)
from intelligen.config.space.check_treatments import mixed_treatments
from intelligen.config.space.entries import Entry, Values, draws, entries_of, first_values, with_inner


def check_space(
    sweep: Sweep,
    experiment: Experiment,
    document: Document,
    *,
    rows: Mapping[str, Experiment],
    broken: frozenset[Key] = frozenset(),
) -> None:
    """Try the first value of everything together, then every end and every option by itself.

    What has a problem by itself is left out, so that one round shows the problems of all entries.

    Args:
        sweep: whose space is checked.
        experiment: what the space varies, where no rows do.
        document: the sweep's file, for the lines in messages.
        rows: row → what the space varies there; of the control all is tried, of the others the first values.
        broken: keys of the file that have problems already, of which the sweep has nothing.

    Raises:
        ConfigError: a key is no setting or may not vary, or a value of it breaks the setting's rule.

    """
    strategies = {one.strategy.name for one in (experiment, *rows.values())}
    left_out = frozenset(key for key in broken if key[0] == "space")
    entries, lines = entries_of(sweep.space, ("space",), without=left_out), list[str]()
    for problems in (partial(_misplaced, sweep=sweep), partial(mixed_treatments, strategies=strategies)):
        found = list(problems(entries))
        lines += [_line(document, key, key, what) for key, what in found]
        left_out |= {key for key, _ in found}
        entries = entries_of(sweep.space, ("space",), without=left_out)
    trials = _Trials(rows.get(sweep.control, experiment), document)
    together = trials.vary(entries, {})
    raise_problems([*lines, *trials.problems.values()])
    if left_out:
        return  # what the others are together without it says nothing
    raise_problems([problem_line(document.origin(("space",)), "space", problem.what) for problem in together])
    whats = [
        f"row {row}: {dotted(problem.key)}: {problem.what}"
        for row, varied in rows.items()
        for problem in _Trials(varied, document).first(entries)
    ]
    raise_problems([problem_line(document.origin(("space",)), "space", what) for what in whats])


class _Trials:
    """Tries values on the experiment and keeps one line for each entry that can break it."""

    def __init__(self, experiment: Experiment, document: Document) -> None:
        self.problems: dict[Key, str] = {}
        self._known: set[Problem] = set()
        self._document = document
        self._experiment = Document(experiment.model_dump(mode="json"), {})

    def vary(self, entries: Sequence[Entry], around: Values) -> list[Problem]:
        """Move one draw at a time off its first value; returns the problems of the first values together."""
        together = self._problems(around | first_values(entries))
        for moving in draws(entries):
            others = around | first_values([entry for entry in entries if entry.draw != moving[0].draw])
            for corner in zip(*(entry.values() for entry in moving), strict=True):
                values = {entry.setting: value for entry, (_, value) in zip(moving, corner, strict=True)}
                moved = [(entry, written) for entry, (written, _) in zip(moving, corner, strict=True)]
                self._tell(moved, self._problems(others | values), usual=together)
            for entry in moving:
                for name, inner in entry.options().items():
                    found = self.vary(inner, others | {f"{entry.setting}.name": name})
                    self._tell([(entry, (*entry.key, "choice", name))], found, usual=together)
        return together

    def first(self, entries: Sequence[Entry]) -> list[Problem]:
        """The problems of the first values together."""
        return self._problems(first_values(entries))

    def _problems(self, values: Values) -> list[Problem]:
        changes = [Override(key, value) for key, value in values.items()]
        with placing(self._line_of), fixes_in_line():
            found = check(Experiment, with_overrides(self._experiment, Experiment, changes).data)
        return found if isinstance(found, list) else []

    def _line_of(self, problem: Problem) -> str:
        """Of what a value names on the disk."""
        key = ("space", dotted(problem.key))
        return _line(self._document, key, key, problem.what)

    def _tell(
        self, moved: Sequence[tuple[Entry, Key]], problems: Sequence[Problem], *, usual: Sequence[Problem]
    ) -> None:
        """Note each problem at the key of the entry that it concerns, else of the first."""
        for problem in problems:
            entry, written = next((pair for pair in moved if pair[0].below(problem.key) is not None), moved[0])
            below = entry.below(problem.key)
            if problem in self._known or entry.key in self.problems or (below is None and problem in usual):
                continue
            part = (*entry.contents, *(below or ()))
            where = written if written[: len(part)] == part else part
            key = dotted(problem.key if below is None else below)
            self.problems[entry.key] = _line(self._document, where, entry.key, f"{key}: {problem.what}")
            self._known.add(problem)


def _line(document: Document, written: Key, key: Key, what: str) -> str:
    return problem_line(document.origin(written), dotted(key), what.removeprefix(": "))


def _misplaced(entries: Sequence[Entry], sweep: Sweep) -> Iterator[tuple[Key, str]]:
    """Places of entries at settings that exist but may not vary, not in this form, or vary already."""
    everything = list(with_inner(entries))
    for position, entry in enumerate(everything):
        if problem := _unfit_name(entry):
            yield entry.draw, problem
        exists = has_setting(Experiment, entry.setting)  # if not, trying its values shows which key is near
        if exists and not may_vary(entry.setting, trains=sweep.trains):
            yield entry.key, f"cannot vary, because {_why_fixed(sweep)}"
        elif exists and (problem := _unfit_form(entry)):
            yield entry.key, problem
        for earlier in everything[:position]:
            if problem := _clash(entry, earlier):
                yield entry.key, problem


def _unfit_name(entry: Entry) -> str | None:
    """What is wrong with the name of a zip; other forms are named by their setting."""
    if entry.column is None:
        return None
    if entry.written == ROW:
        return "names the choice of a row; give the zip another name"
    if has_setting(Experiment, resolve_key(entry.parent, entry.written)):
        return "is a setting; give the zip another name, such as pairs, and list this setting among those below `zip`"
    if not re.fullmatch(NAME_PATTERN, entry.written):
        return "the name of a zip has at most 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"
    return None


def _unfit_form(entry: Entry) -> str | None:
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
            return "a schedule changes a probability over time, as in strategy.probability; this setting is constant"
    return None


def _clash(entry: Entry, earlier: Entry) -> str | None:
    """What is wrong with both entries in one trial; nothing where they belong to different options of one choice."""
    common = len(list(takewhile(bool, map(eq, entry.key, earlier.key))))
    if entry.key[common - 1] == "choice":
        return None
    if entry.setting == earlier.setting:
        return f"{entry.setting} varies twice in one trial's space; keep one of them"
    for whole, part in ((entry, earlier), (earlier, entry)):
        if isinstance(whole.space, Simplex | SearchedSchedule) and part.setting.startswith(f"{whole.setting}."):
            return f"{part.setting} varies already as a part of {whole.setting}; keep one of them"
    drawn = not isinstance(entry.space, Const) and not isinstance(earlier.space, Const)
    if drawn and entry.draw != earlier.draw and entry.parameter == earlier.parameter:
        fix = f"write the complete key {entry.setting}" if entry.column is None else "give the zip another name"
        return f"{entry.parameter} names {earlier.setting} already; {fix}"
    return None


def _why_fixed(sweep: Sweep) -> str:
    if sweep.trains:
        allowed = ", ".join(f"{group}.*" for group in VARIABLE_GROUPS_OF_TRAINING)
        return f"stages [train] trains all trials of a row on the same data; what can: {allowed}"
    allowed = ", ".join([*(f"{group}.*" for group in VARIABLE_GROUPS), *VARIABLE_SETTINGS])
    return f"all trials start from one baseline; what can: {allowed}"
