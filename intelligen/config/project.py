"""A file names other files of its own project only: what lies in the directory above its own."""

import os
from pathlib import Path

from intelligen.errors import ConfigError


def project_of(file: Path) -> Path:
    """The project that a file belongs to: the parent of its directory, as search_spaces/ lies beside experiments/."""
    return Path(os.path.realpath(file.parent)).parent


def named_file(name: str, *, by: Path, project: Path) -> Path:
    """The path of a file that another file names.

    Args:
        name: a path; a relative one starts where `by` lies.
        by: the file that names it.
        project: where it must lie, symbolic links followed.

    Raises:
        ConfigError: it lies elsewhere; the message has neither place nor key.

    """
    path = by.parent / name
    if not Path(os.path.realpath(path)).is_relative_to(project):
        raise ConfigError(f'"{name}" lies outside of the project, {project}; name a file inside it')
    return path
