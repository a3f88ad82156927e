"""Whether a file is a sweep or an experiment, by the keys that only one of them has."""

import shlex
from pathlib import Path

from intelligen.config.document import Document
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.shipped_files import located
from intelligen.config.files.text_file import displayed
from intelligen.config.files.yaml_file import read_document
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError


def settings_in(path: Path) -> type[Sweep] | type[Experiment]:
    """Whether a file is a sweep or an experiment, by the keys that only one of them has.

    Raises:
        ConfigError: the file is not strict YAML, or a fragment of it is not.

    """
    path = located(path)
    of_sweeps, of_experiments = _telling_keys(with_fragments(read_document(path), path, Sweep))
    return Sweep if of_sweeps > of_experiments else Experiment


def require_a_sweep(document: Document, path: Path) -> None:
    """Refuse an experiment, of which each key would be told to be unknown.

    Raises:
        ConfigError: the file is one.

    """
    of_sweeps, of_experiments = _telling_keys(document)
    if of_experiments and not of_sweeps:
        what = (
            "is an experiment file; name a sweep file whose `experiment` it is, or train it by itself: intelligen train"
        )
        raise ConfigError(f"{displayed(path)}: {what} {shlex.quote(str(path))}")


def _telling_keys(document: Document) -> tuple[int, int]:
    """How many keys are a sweep's alone, and how many an experiment's."""
    keys, sweep, experiment = document.data.keys(), Sweep.model_fields.keys(), Experiment.model_fields.keys()
    return len(keys & (sweep - experiment)), len(keys & (experiment - sweep))
