"""Checks the rows of a sweep: each must be a valid experiment, unlike all others, and comparable with them."""

from collections.abc import Iterator, Mapping, Sequence

from intelligen.config.base import canonical_json
from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems
from intelligen.config.files.config_errors import Problem, check, placing
from intelligen.config.files.overrides import Override, with_overrides
from intelligen.config.files.suggested_fixes import fixes_in_line
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.rows import Row
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.entries import entries_of, with_inner

_KEPT = ("name", "version", "seed", "compute")
"""They say what the experiment is called, which draws all rows share, and how they are computed."""


def check_rows(sweep: Sweep, experiment: Experiment, document: Document) -> dict[str, Experiment]:
    """The experiment of every row that is a variant; none where rows are strategies.

    Args:
        sweep: Whose rows are checked.
        experiment: What they vary.
        document: The sweep's file, for the lines in messages.

    Raises:
        ConfigError: A row sets what is no setting, what the space varies too, or what breaks a rule; or two rows are
            the same, or cannot be compared.

    """
    rows = sweep.variants()
    lines = list(_misplaced(sweep, rows, document))
    found = {row.id: _variant(experiment, row, document) for row in rows}
    broken = {name: problems for name, problems in found.items() if isinstance(problems, list)}
    by_id = {row.id: row for row in rows}
    lines += [row_line(document, by_id[name], one) for name, problems in broken.items() for one in problems]
    raise_problems(lines)
    experiments = {name: one for name, one in found.items() if isinstance(one, Experiment)}
    raise_problems([*_alike(sweep, experiments, by_id, document), *_incomparable(sweep, experiments, by_id, document)])
    return experiments


def _variant(experiment: Experiment, row: Row, document: Document) -> Experiment | list[Problem]:
    changes = [Override(key, value) for key, value in row.settings.items()]
    changed = with_overrides(Document(experiment.model_dump(mode="json"), {}), Experiment, changes)
    with placing(lambda problem: row_line(document, row, problem)), fixes_in_line():
        return check(Experiment, changed.data)


def _misplaced(sweep: Sweep, rows: Sequence[Row], document: Document) -> Iterator[str]:
    varied = [entry.setting for entry in with_inner(entries_of(sweep.space, ("space",)))]
    for row in rows:
        for setting, written in row.keys.items():
            key: Key = ("rows", *written)
            if setting.partition(".")[0] in _KEPT:
                yield problem_line(document.origin(key), dotted(key), "is the same in all rows; leave it out")
            for other in varied:
                if _overlap(setting, other):
                    what = f"is varied by space.{other} too; keep one of the two"
                    yield problem_line(document.origin(key), dotted(key), what)
    yield from _set_by_two_axes(sweep, document)


def _set_by_two_axes(sweep: Sweep, document: Document) -> Iterator[str]:
    axes = sweep.rows.axes if sweep.rows is not None else None
    setters: dict[str, str] = {}
    for axis, values in (axes.of if axes is not None else {}).items():
        for value, settings in values.items():
            for setting in settings:
                other = next((one for known, one in setters.items() if one != axis and _overlap(setting, known)), None)
                if other is not None:
                    key: Key = ("rows", "axes", "of", axis, value, setting)
                    what = f"is set by the axis {other} too; keep it in one of them"
                    yield problem_line(document.origin(key), dotted(key), what)
                setters[setting] = axis


def _overlap(one: str, other: str) -> bool:
    """Whether one of the two settings is the other, or a group that it is in."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def row_line(document: Document, row: Row, problem: Problem) -> str:
    """At the row's own setting that the problem concerns, else at the row."""
    broken = dotted(problem.key)
    named = [setting for setting in row.settings if _overlap(setting, broken)] or list(row.settings)
    mentioned = [setting for setting in row.settings if setting.rpartition(".")[2] in problem.what]
    setting = next(iter([one for one in named if one in mentioned] or named), None)
    key: Key = ("rows",) if setting is None else ("rows", *row.keys[setting])
    where = (
        f"row {row.id}: {broken}: " if broken else f"row {row.id}: "
    )  # keys that do not go together have no one place
    return problem_line(document.origin(key), dotted(key), where + problem.what)


def _alike(
    sweep: Sweep, experiments: Mapping[str, Experiment], rows: Mapping[str, Row], document: Document
) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, experiment in experiments.items():
        used = experiment.model_copy(update={"finetuning": experiment.training}) if sweep.trains else experiment
        first = seen.setdefault(canonical_json(used), name)
        if first != name:
            key = _key_of(rows[name])
            what = f"row {name} is the same experiment as row {first}"
            if experiment != experiments[first]:
                what += ": stages [train] uses `training`, and no `finetuning`"
            yield problem_line(document.origin(key), dotted(key), what)


def _incomparable(
    sweep: Sweep, experiments: Mapping[str, Experiment], rows: Mapping[str, Row], document: Document
) -> Iterator[str]:
    """Rows of other tasks or metrics than the control's, which rank by other numbers."""
    control = experiments.get(sweep.control)
    for name, experiment in experiments.items():
        if control is not None and experiment.task != control.task:
            key = _key_of(rows[name], "task")
            what = f"row {name} has another task, or another setting of it, than the control {sweep.control}"
            yield problem_line(document.origin(key), dotted(key), f"{what}, so their scores cannot be compared")


def _key_of(row: Row, prefix: str = "") -> Key:
    """Where the row is written: at its first setting of a prefix, else of any."""
    keys = [written for setting, written in row.keys.items() if setting.startswith(prefix)] or list(row.keys.values())
    return ("rows", *keys[0]) if keys else ("rows",)
