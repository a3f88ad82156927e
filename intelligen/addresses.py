"""Addresses of files and databases: absolute, and safe for any character in a path."""

import os
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote

from intelligen.errors import UnavailableError

DEFAULT_RUNS, RUNS_VARIABLE = "runs", "INTELLIGEN_RUNS"
TRACKING_VARIABLE, LOCAL_VARIABLE = "MLFLOW_TRACKING_URI", "INTELLIGEN_LOCAL"
# The path of `s3://bucket` has lost a slash.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_OF_A_JOB = ("runtime_resources", "working_dir_files")
"""Ray unpacks a job's `working_dir` below these, and deletes it after the job."""
_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?):///(?P<path>[^?]*)(?P<query>\?.*)?", re.DOTALL)
_MEMORY = ":memory:"


@dataclass(frozen=True)
class SqliteAddress:
    """A SQLite database as SQLAlchemy, and so Optuna and MLflow, name it."""

    path: Path
    scheme: str = "sqlite"
    query: str = ""
    """With its question mark; empty where there is none."""

    @classmethod
    def parse(cls, address: str) -> "SqliteAddress | None":
        """What an address names; None where that is no SQLite file."""
        found = _SQLITE.fullmatch(address)
        if found is None or found["path"] in ("", _MEMORY) or "uri=true" in (found["query"] or ""):
            return None
        return cls(Path(unquote(found["path"])), found["scheme"], found["query"] or "")

    def at(self, path: Path) -> "SqliteAddress":
        """The same with another path."""
        return replace(self, path=path)

    def __str__(self) -> str:
        path = str(self.path)
        # SQLAlchemy takes the query from the first `?` on, and decodes `%41`.
        quoted = "".join(quote(character, safe="") if character in "%?" else character for character in path)
        # MLflow makes the directory of what follows `sqlite:///`, without decoding it.
        scheme = "sqlite+pysqlite" if quoted != path and self.scheme == "sqlite" else self.scheme
        return f"{scheme}:///{quoted}{self.query}"


def absolute(path: Path) -> Path:
    """A path that does not depend on the working directory; symbolic links are followed only where `..` asks for it."""
    return Path(os.path.realpath(path)) if ".." in path.parts else path.absolute()


def absolute_address(address: str) -> str:
    """An address whose file, if it names one of SQLite, does not depend on the working directory."""
    found = SqliteAddress.parse(address)
    return address if found is None else str(found.at(absolute(found.path)))


def runs_directory(given: str | Path) -> Path:
    """The runs directory that was named: one that is there for every node, and after the job that wrote into it.

    Raises:
        UnavailableError: It is no directory, or one that goes with a Ray job.

    """
    path = Path(given)
    if scheme := _SCHEME.match(str(given)):
        raise UnavailableError(
            f"--runs {given}: {scheme[1]}:// is no directory; mount it, and name a directory that every node sees"
        )
    parts = path.absolute().parts
    if _OF_A_JOB in pairwise(parts):
        raise UnavailableError(
            f"--runs {given}: {path.absolute()} lies in the folder into which Ray unpacked this job, and goes with it;"
            " give --runs a directory that every node sees"
        )
    return path


def tracking_address(given: str | None) -> str:
    """Where to track to, whatever the working directory is later; a file in it where nothing is given."""
    return absolute_address(given) if given else str(SqliteAddress(Path("mlflow.db").absolute()))
