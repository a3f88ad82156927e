"""Files that come with the package: found at the top of a clone, and inside a wheel."""

import os
from importlib.resources import files
from pathlib import Path

FOLDERS = ("experiments", "search_spaces", "schemas")


def shipped() -> Path:
    """The folder that has these folders: a wheel's own copy, or the top of the clone."""
    package = Path(str(files("intelligen")))
    copied = package / "shipped"
    return copied if copied.is_dir() else package.parent


def located(path: Path) -> Path:
    """A file that a user names: the one in the working directory, else the shipped one of that name."""
    missing = _may_be_shipped(path) and not os.path.lexists(path)
    return shipped() / path if missing and os.path.isfile(shipped() / path) else path


def located_from_file(path: Path) -> Path:
    """A file that another file names: that one, else the shipped one of that name in the working directory."""
    found = located(Path(os.path.relpath(path)))
    return found if found.is_file() and not os.path.lexists(path) else path


def folders_of(path: Path) -> list[Path]:
    """Where a file of that name is looked for."""
    return [path.parent, *([shipped() / path.parent] if _may_be_shipped(path) else [])]


def _may_be_shipped(path: Path) -> bool:
    return path.parts[:1] in {(folder,) for folder in FOLDERS} and ".." not in path.parts
