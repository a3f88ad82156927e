"""Relative paths in files: they start at the file's folder; the keys that hold paths are found by type."""

import copy
import os
from pathlib import Path
from typing import Any

from intelligen.config.base import Settings
from intelligen.config.document import Document, dotted, problem_line, shown
from intelligen.config.schema.local_keys import local_keys
from intelligen.config.schema.local_path import Local


def from_folder(document: Document, folder: Path, settings: type[Settings]) -> Document:
    """A file's document with its relative paths taken from the file's folder.

    A path that leads nowhere from there, but somewhere from the working directory, becomes one of the document's
    problems: files of the first release meant that place.

    Args:
        document: The contents of one file.
        folder: Where the file lies.
        settings: What the file holds.

    """
    data, problems = copy.deepcopy(document.data), dict(document.problems)
    for key, local in local_keys(settings, data).items():
        group: Any = data
        for part in key[:-1]:
            group = group[part]
        text = group[key[-1]]
        if what := _misplaced(local, text, folder):
            problems[key] = problem_line(document.origin(key), dotted(key), what)
        elif (path := local.path_in(text, folder)) is not None:
            group[key[-1]] = local.with_path(text, folder / path)
    return Document(data, document.origins, problems)


def _misplaced(local: Local, text: str, folder: Path) -> str | None:
    path = local.path_in(text, Path())
    if path is None or path.is_absolute() or os.path.lexists(folder / path) or not os.path.lexists(path):
        return None
    there = local.with_path(text, Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))))
    return (
        f"{shown(text)} exists in the working directory, but a relative path starts at this file's folder;"
        f" write {shown(there)}"
    )
