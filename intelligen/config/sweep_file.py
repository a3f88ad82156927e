"""A sweep file and the experiment that it names, checked as a whole: one round reports every problem."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from intelligen.config.document import Document, dotted, problem_line, raise_problems
from intelligen.config.files.config_errors import check
from intelligen.config.files.examined import Examined, examined
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.overrides import Override, parse_override, with_overrides
from intelligen.config.files.project_folder import project_of, require_inside
from intelligen.config.files.several_values import INTO_EXPERIMENT, sweep_line
from intelligen.config.files.shipped_files import located, located_from_file
from intelligen.config.files.suggested_fixes import fixes_for_sweep
from intelligen.config.files.text_file import displayed, read_text
from intelligen.config.files.yaml_file import parse_document, read_document
from intelligen.config.kind_of_file import require_a_sweep
from intelligen.config.named_experiments import check_named_experiments, problems_of_named
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.setting_paths import has_setting
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.check_objectives import (
    require_objectives_of_the_task,
    require_one_objective,
    with_objective,
)
from intelligen.config.space.check_published import check_published
from intelligen.config.space.check_rows import check_rows
from intelligen.config.space.check_scoring import check_scoring
from intelligen.config.space.check_search import check_search
from intelligen.config.space.check_space import check_space
from intelligen.errors import ConfigError

_TABLE = "search.warm_start.csv"
_DRAWN = ("space", "rows", "stages", "controls")
"""What says which experiments a sweep has."""
_SEARCHED = (*_DRAWN, "search", "scheduler", "budget", "objective", "objectives", "confirm", "test", "published")


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file says."""

    sweep: Sweep
    experiment: Experiment
    """What it names, with its overrides."""
    document: Document
    """The file's contents, for the lines in messages."""
    named: Document
    """The experiment's, likewise."""
    rows: Mapping[str, Experiment]
    """Row → its experiment; empty where rows are strategies."""


def read_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepFile:
    """A sweep file and the experiment that it names, each checked by itself and against the other.

    An override `experiment=PATH` names another experiment file; `experiment.KEY=VALUE` reaches into the experiment;
    every other key is the sweep's own. Paths of overrides start at the working directory, those of a file at its own.

    Raises:
        ConfigError: a file or an override is wrong; a line `FILE:LINE: KEY: …` or `-o KEY=VALUE: …` for each problem.

    """
    path, problems = located(path), list[str]()
    document = with_fragments(read_document(path), path, Sweep)
    require_a_sweep(document, path)
    changes = _changes(overrides, problems)
    inner = [change for change in changes if change.key.startswith(INTO_EXPERIMENT)]
    own = [change for change in changes if change not in inner]
    document = with_overrides(document, Sweep, own)
    # The command line may name any file; the sweep's file only those of its project.
    project, tables = (None if _reaches(own, key) else project_of(path) for key in ("experiment", _TABLE))
    reaching = [replace(change, key=change.key.removeprefix(INTO_EXPERIMENT)) for change in inner]
    asked = examined(Sweep, document)
    problems += asked.lines
    varied = None
    with _noting(problems), fixes_for_sweep():
        named = with_overrides(_named_experiment(document, project), Experiment, reaching)
        varied = examined(Experiment, named)
        raise_problems(varied.lines)
        assert varied.settings is not None
        check_named_experiments(varied.settings, named)
    sweep = asked.settings or _outline(asked)
    if sweep is None or varied is None or varied.settings is None or not _can_vary(varied):
        raise ConfigError(*dict.fromkeys(problems))
    file = SweepFile(sweep, varied.settings, document, named, {})
    file = _with_rows(file, asked, problems)
    if asked.settings is not None and asked.intact(*_SEARCHED) and not varied.left_out:
        file = _searched(file, tables, problems)
    raise_problems(problems)
    return file


def _with_rows(file: SweepFile, asked: Examined[Sweep], problems: list[str]) -> SweepFile:
    """The file with its rows, if what they and the space draw is right; notes what is not."""
    if not asked.intact(*(key for key in _DRAWN if key != "space")):
        return file
    known = len(problems)
    with _noting(problems):
        file = replace(file, rows=check_rows(file.sweep, file.experiment, file.document))
        _check_files_of_rows(file)
    if len(problems) == known:
        with _noting(problems):
            check_space(file.sweep, file.experiment, file.document, rows=file.rows, broken=asked.left_out)
    return file


def _searched(file: SweepFile, tables: Path | None, problems: list[str]) -> SweepFile:
    """The file with the objective that it leaves out; notes what is wrong with its search and its scores.

    Args:
        file: The file.
        tables: Where the table of a warm start must lie; None = anywhere.
        problems: Lines.

    """
    compared, document = file.rows.get(file.sweep.control, file.experiment), file.document
    sweep = with_objective(file.sweep, compared, document)
    with _noting(problems):
        check_search(sweep, document, project=tables)
    with _noting(problems):
        require_one_objective(sweep, compared, document)
    with _noting(problems):
        check_published(sweep, file.experiment, document)
    with _noting(problems):
        require_objectives_of_the_task(sweep, compared, document)
    with _noting(problems):
        check_scoring(sweep, file.experiment, document)
    return replace(file, sweep=sweep)


def _outline(asked: Examined[Sweep]) -> Sweep | None:
    """A sweep of the same experiments, where the file's own cannot be made; None where these are broken too."""
    drawn = {key: asked.rest[key] for key in _DRAWN if key in asked.rest}
    named: dict[str, JsonValue] = {"version": 1, "name": "outline", "experiment": "experiment.yaml"}
    budget: dict[str, JsonValue] = {"budget": {"trials": 1}} if drawn.get("space") else {}
    found = check(Sweep, {**named, **drawn, **budget})
    return None if isinstance(found, list) else found


def _can_vary(varied: Examined[Experiment]) -> bool:
    """Whether values can be tried on the experiment: it has all its groups, and of each the option that was meant."""
    groups = Experiment.model_fields
    return not any(key[-1] == "name" or (len(key) == 1 and key[0] in groups) for key in varied.left_out)


def _check_files_of_rows(file: SweepFile) -> None:
    problems: list[str] = []
    for row in file.sweep.variants():
        for (group, *_), what in problems_of_named(file.rows[row.id]):
            written = [key for setting, key in row.keys.items() if setting.startswith(str(group))]
            key = ("rows", *written[0]) if written else ("rows",)
            problems.append(problem_line(file.document.origin(key), dotted(key), what))
    raise_problems(problems)


def _changes(overrides: Sequence[str], problems: list[str]) -> list[Override]:
    """The overrides, without those that are not written as they must be; notes what is wrong with these."""
    found: list[Override] = []
    for text in overrides:
        with _noting(problems):
            change = _with_located_experiment(parse_override(text))
            _require_key_of_a_sweep(change)
            found.append(change)
    return found


def _require_key_of_a_sweep(change: Override) -> None:
    if not has_setting(Sweep, change.key) and has_setting(Experiment, change.key):
        line = sweep_line(change.origin, of_sweep=True)
        what = "no key of a sweep" + (line or f'; did you mean "{INTO_EXPERIMENT}{change.key}"?')
        raise ConfigError(problem_line(change.origin, change.key, what))


def _reaches(changes: Sequence[Override], key: str) -> bool:
    """Whether one of the changes sets the key, or a group that it is in."""
    return any(f"{key}.".startswith(f"{change.key}.") for change in changes)


def _with_located_experiment(change: Override) -> Override:
    """The change as it is, unless it names the experiment's file."""
    if change.key != "experiment" or not isinstance(change.value, str) or not change.value:
        return change
    return replace(change, value=str(located(Path(change.value))))


def _named_experiment(document: Document, project: Path | None) -> Document:
    """The experiment file that the sweep's document names, inside the project where there is one."""
    name = document.data.get("experiment")
    if not isinstance(name, str) or not name or ("experiment",) in document.problems:
        raise ConfigError  # nothing to add: the sweep's own check reports it
    path = located_from_file(Path(name))
    try:
        if path == Path(name) and project is not None:
            require_inside(project, path)
        text = read_text(path)
    except ConfigError as error:
        raise ConfigError(problem_line(document.origin(("experiment",)), "experiment", str(error))) from None
    return with_fragments(parse_document(text, displayed(path)), path, Experiment)


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Go on after a mistake, so that those of several files are reported together."""
    try:
        yield
    except ConfigError as error:
        problems += error.args
