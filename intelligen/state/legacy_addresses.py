"""Relative addresses that the first release kept: looked for where a launch may have been.

Later ones keep absolute addresses alone.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

from intelligen.addresses import SqliteAddress, absolute
from intelligen.state import layout

STUDY = "SELECT 1 FROM studies WHERE study_name = ?"
"""Finds Optuna's study by its name."""
RUNS = "SELECT 1 FROM tags WHERE key = 'sweep_id' AND value = ?"
"""Finds MLflow's run of a sweep by the sweep's id."""


def is_relative(address: object) -> TypeGuard[str]:
    """Whether it is the address of a SQLite file, and depends on a working directory."""
    found = SqliteAddress.parse(address) if isinstance(address, str) else None
    return found is not None and not found.path.is_absolute()


def launch_directories(directory: Path) -> list[Path]:
    """Where a sweep's launches may have been: the working directory, and the one in which its runs directory is.

    Args:
        directory: The sweep's own.

    """
    return list(dict.fromkeys([Path.cwd(), layout.store_of(directory.absolute()).parent]))


def located(address: str, directories: Sequence[Path], query: str, name: str) -> str:
    """The address made absolute by the first directory whose database has what is looked for; unchanged where none has.

    Args:
        address: One that is relative.
        directories: Directories that it may have started from.
        query: `STUDY` or `RUNS`.
        name: What the query asks for.

    """
    relative = SqliteAddress.parse(address)
    assert relative is not None
    for directory in directories:
        if _holds(path := absolute(directory / relative.path), query, name):
            return str(relative.at(path))
    return address


def _holds(database: Path, query: str, name: str) -> bool:
    if not database.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as opened:
            return opened.execute(query, (name,)).fetchone() is not None
    except sqlite3.Error:
        return False  # another program's, or another kind of file
