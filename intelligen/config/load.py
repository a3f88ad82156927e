"""Loads experiment and sweep files with overrides: nothing is used before all of it has been checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from intelligen.config.document import Document
from intelligen.config.files.examined import validated
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.overrides import Override, parse_overrides, with_overrides
from intelligen.config.files.shipped_files import located
from intelligen.config.files.yaml_file import read_document
from intelligen.config.named_experiments import check_named_experiments
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.rows import ROW
from intelligen.config.schema.sweep import Sweep
from intelligen.config.sweep_file import read_sweep


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
    return with_overrides(document, Experiment, parse_overrides(overrides))


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> tuple[Sweep, Experiment]:
    """The sweep in a file and the experiment that it names; see `read_sweep`."""
    file = read_sweep(path, overrides)
    return file.sweep, file.experiment


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


def _experiment(document: Document, changes: Sequence[Override]) -> Experiment:
    return validated(Experiment, with_overrides(document, Experiment, changes))
