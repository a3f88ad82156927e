"""Loads experiment and sweep files with overrides: nothing is used before all of it has been checked."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from intelligen.config.document import Document, dotted, problem_line, raise_problems
from intelligen.config.files.config_errors import validated
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.overrides import Override, parse_override, with_overrides
from intelligen.config.files.project_folder import project_of, require_inside
from intelligen.config.files.shipped_files import located, located_from_file
from intelligen.config.files.suggested_fixes import INTO_EXPERIMENT, fixes_for_sweep
from intelligen.config.files.text_file import displayed, read_text
from intelligen.config.files.yaml_file import parse_document, read_document
from intelligen.config.metric_direction import direction
from intelligen.config.named_experiments import check_named_experiments, problems_of_named
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.objective import Objective
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.setting_paths import has_setting
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.check_published import check_published
from intelligen.config.space.check_rows import check_rows
from intelligen.config.space.check_scoring import check_scoring
from intelligen.config.space.check_search import check_search
from intelligen.config.space.check_space import check_space
from intelligen.errors import ConfigError

_TABLE = "search.warm_start.csv"


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a file, with overrides `KEY=VALUE` of its dotted keys.

    Where the working directory has no such file, a shipped one of that name is meant, here as in `read_sweep`.

    Raises:
        ConfigError: the file or an override is wrong; a line `FILE:LINE: KEY: …` or `-o KEY=VALUE: …` for each problem.

    """
    document = experiment_document(path, overrides)
    experiment = validated(Experiment, document)
    check_named_experiments(experiment, document, path=located(path))
    return experiment


def experiment_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """What an experiment file and the overrides say, unchecked.

    Raises:
        ConfigError: the file is not strict YAML, or an override names no key.

    """
    path = located(path)
    document = with_fragments(read_document(path), path, Experiment)
    return with_overrides(document, Experiment, [parse_override(text) for text in overrides])


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


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> tuple[Sweep, Experiment]:
    """The sweep in a file and the experiment that it names; see `read_sweep`."""
    file = read_sweep(path, overrides)
    return file.sweep, file.experiment


def read_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepFile:
    """A sweep file and the experiment that it names, each checked by itself and against the other.

    An override `experiment=PATH` names another experiment file; `experiment.KEY=VALUE` reaches into the experiment;
    every other key is the sweep's own. Paths of overrides start at the working directory, those of a file at its own.

    Raises:
        ConfigError: a file or an override is wrong; a line `FILE:LINE: KEY: …` or `-o KEY=VALUE: …` for each problem.

    """
    path = located(path)
    document = with_fragments(read_document(path), path, Sweep)
    _require_a_sweep(document, path)
    changes = [_with_located_experiment(parse_override(text)) for text in overrides]
    inner = [change for change in changes if change.key.startswith(INTO_EXPERIMENT)]
    own = [change for change in changes if change not in inner]
    _require_keys_of_a_sweep(own)
    document = with_overrides(document, Sweep, own)
    # Whoever starts the command may choose any file; the sweep's file only those of its project.
    project = None if _reaches(own, "experiment") else project_of(path)
    reaching = [replace(change, key=change.key.removeprefix(INTO_EXPERIMENT)) for change in inner]
    problems: list[str] = []
    with _noting(problems):
        sweep = validated(Sweep, document)
    with _noting(problems), fixes_for_sweep():
        named = with_overrides(_named_experiment(document, project), Experiment, reaching)
        experiment = validated(Experiment, named)
        check_named_experiments(experiment, named)
    raise_problems(problems)
    rows: dict[str, Experiment] = {}
    with _noting(problems):
        rows = check_rows(sweep, experiment, document)
        _check_files_of_rows(sweep, rows, document)
        check_space(sweep, experiment, document, rows=rows)
    sweep = _with_objective(sweep, rows.get(sweep.control, experiment), document)
    with _noting(problems):
        check_search(sweep, document, project=None if _reaches(own, _TABLE) else project_of(path))
    with _noting(problems):
        _require_one_objective(sweep, rows.get(sweep.control, experiment), document)
        check_published(sweep, experiment, document)
    with _noting(problems):
        _require_objectives_of_the_task(sweep, rows.get(sweep.control, experiment), document)
    with _noting(problems):
        check_scoring(sweep, experiment, document)
    raise_problems(problems)
    return SweepFile(sweep, experiment, document, named, rows)


def settings_in(path: Path) -> type[Sweep] | type[Experiment]:
    """Whether a file is a sweep or an experiment, by the keys that only one of them has.

    Raises:
        ConfigError: the file is not strict YAML, or a fragment of it is not.

    """
    path = located(path)
    of_sweeps, of_experiments = _telling_keys(with_fragments(read_document(path), path, Sweep))
    return Sweep if of_sweeps > of_experiments else Experiment


def apply_settings(experiment: Experiment, changes: Mapping[str, JsonValue]) -> Experiment:
    """The experiment with other values at dotted keys, as a search suggests them.

    Another `name` of a setting with options (`strategy.name`) drops the former option's settings before the other
    changes are made.

    Raises:
        ConfigError: a key is unknown, or a value breaks its rule; the message begins with the key.

    """
    document = Document(experiment.model_dump(mode="json"), {})
    return _experiment(document, [Override(key, value) for key, value in changes.items()])


def row_experiments(sweep: Sweep, experiment: Experiment) -> dict[str, Experiment]:
    """Row → its experiment; empty where rows are strategies.

    Raises:
        ConfigError: A row breaks a rule, by another version or another plugin than checked it.

    """
    return {row.id: apply_settings(experiment, row.settings) for row in sweep.variants()}


def trial_experiment(
    experiment: Experiment, rows: Mapping[str, Experiment], changes: Mapping[str, JsonValue]
) -> Experiment:
    """The experiment of a trial: its row's, with the values that the search suggests.

    Args:
        experiment: The sweep's.
        rows: Row → its experiment; empty where rows are strategies.
        changes: Dotted key → value, and the row where there are several.

    Raises:
        ConfigError: A value breaks its rule; the message begins with the key.

    """
    others = {key: value for key, value in changes.items() if key != ROW}
    return apply_settings(rows[str(changes[ROW])] if rows else experiment, others)


def _telling_keys(document: Document) -> tuple[int, int]:
    """How many keys are a sweep's alone, and how many an experiment's."""
    keys, sweep, experiment = document.data.keys(), Sweep.model_fields.keys(), Experiment.model_fields.keys()
    return len(keys & (sweep - experiment)), len(keys & (experiment - sweep))


def _require_a_sweep(document: Document, path: Path) -> None:
    """Refuse an experiment, of which each key would be told to be unknown."""
    of_sweeps, of_experiments = _telling_keys(document)
    if of_experiments and not of_sweeps:
        what = (
            "is an experiment file; name a sweep file whose `experiment` it is, or train it by itself: intelligen train"
        )
        raise ConfigError(f"{displayed(path)}: {what} {shlex.quote(str(path))}")


def _with_objective(sweep: Sweep, experiment: Experiment, document: Document) -> Sweep:
    """A sweep that names no objective has the metric that selects its epochs."""
    metric = experiment.task.selection_metric
    if document.data.get("objective") or sweep.objectives is not None or sweep.objective.metric == metric:
        return sweep
    return sweep.model_copy(update={"objective": Objective(metric=metric, direction=direction(metric))})


def _require_one_objective(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """Trials are compared by the metric that chose their weights: the table must show the model that is tested."""
    asked, selecting = sweep.objective.metric, experiment.task.selection_metric
    key = ("objective", "metric") if sweep.objectives is None else ("objectives", 0, "metric")
    if asked != selecting:
        fix, known = f"experiment.task.selection_metric={asked}", experiment.task.selecting()
        if asked not in known:
            fix = f"{'.'.join(map(str, key))}={selecting}"
            if (way := direction(selecting)) != sweep.objective.direction:
                fix += f" -o {'.'.join(map(str, key[:-1]))}.direction={way}"
            fix += f" (task {experiment.task.name} has {', '.join(known)})"
        what = f"is {asked}, but the experiment selects its epochs by {selecting}; set -o {fix}"
        raise ConfigError(problem_line(document.origin(key), dotted(key), what))


def _require_objectives_of_the_task(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """The further ones are scores that the task has, or costs."""
    known = experiment.task.selecting()
    for number, one in enumerate(sweep.all_objectives()[1:], start=1):
        if one.metric.startswith("valid/") and one.metric not in known:
            key = ("objectives", number, "metric")
            what = f"is {one.metric}, which task {experiment.task.name} does not have; it has {', '.join(known)}"
            raise ConfigError(problem_line(document.origin(key), dotted(key), what))


def _experiment(document: Document, changes: Sequence[Override]) -> Experiment:
    return validated(Experiment, with_overrides(document, Experiment, changes))


def _check_files_of_rows(sweep: Sweep, rows: Mapping[str, Experiment], document: Document) -> None:
    problems: list[str] = []
    for row in sweep.variants():
        for (group, *_), what in problems_of_named(rows[row.id]):
            written = [key for setting, key in row.keys.items() if setting.startswith(str(group))]
            key = ("rows", *written[0]) if written else ("rows",)
            problems.append(problem_line(document.origin(key), dotted(key), what))
    raise_problems(problems)


def _require_keys_of_a_sweep(changes: Sequence[Override]) -> None:
    for change in changes:
        if not has_setting(Sweep, change.key) and has_setting(Experiment, change.key):
            what = f'no key of a sweep; did you mean "{INTO_EXPERIMENT}{change.key}"?'
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
