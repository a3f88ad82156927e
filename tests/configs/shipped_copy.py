"""The shipped files in a directory of their own, where no data lie that someone has put or linked into the clone."""

import shutil
from pathlib import Path

from conftest import REPOSITORY


def copy_shipped(directory: Path) -> Path:
    """Copy `experiments/` and `search_spaces/` into a directory, which is returned without symbolic links."""
    for folder in ("experiments", "search_spaces"):
        shutil.copytree(REPOSITORY / folder, directory / folder)
    return directory.resolve()
