"""The folder of a project: a file may name other files only in the directory above its own."""

import os
from pathlib import Path

from intelligen.errors import ConfigError


def project_of(file: Path) -> Path:
    """The project that a file belongs to: the parent of its directory, as search_spaces/ lies beside experiments/."""
    return Path(os.path.realpath(file.parent)).parent


def require_inside(project: Path, path: Path) -> None:
    """Refuse a file of another project, symbolic links followed.

    Raises:
        ConfigError: it lies elsewhere; the message has neither place nor key.

    """
    if not Path(os.path.realpath(path)).is_relative_to(project):
        raise ConfigError(f'"{path}" is outside the project, {project}; name a file inside it')
