"""Addresses of files: each is made from its path here, and leads back to it whatever characters are in it."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

DEFAULT_RUNS, RUNS_VARIABLE = "runs", "INTELLIGEN_RUNS"
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
