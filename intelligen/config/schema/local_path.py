"""Settings that name a path on this machine: absolute as soon as the settings are made."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from intelligen.addresses import SqliteAddress, absolute


class Local:
    """Marks text that is a path."""

    def path_in(self, text: str, start: Path) -> Path | None:
        """The path in a text, which starts there if it is relative; None where the text names no place of a machine."""
        return Path(text)

    def with_path(self, text: str, path: Path) -> str:
        """The text with another path."""
        return str(path)

    def absolute(self, text: str) -> str:
        """The text with its path taken from the working directory."""
        path = self.path_in(text, Path())
        return text if path is None else self.with_path(text, absolute(path))

    def may_be(self, before: object, after: object) -> bool:
        """Whether both name places, which may be one that was moved, or that was relative."""
        return all(isinstance(text, str) and self.path_in(text, Path()) is not None for text in (before, after))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.absolute, handler(source))


_BEGINNINGS = ("/", "./", "../")


class _Dataset(Local):
    """A data set of the hub has a name as a folder has: it is a folder where there is one, or where it begins so."""

    def path_in(self, text: str, start: Path) -> Path | None:
        is_path = text.startswith(_BEGINNINGS) or ("://" not in text and (start / text).is_dir())
        return Path(text) if is_path else None

    def with_path(self, text: str, path: Path) -> str:
        """The path, which begins so that nothing takes it for a name, whether the folder is there or not."""
        written = str(path)
        return written if written.startswith(_BEGINNINGS) else f"./{written}"


class _Database(Local):
    def path_in(self, text: str, start: Path) -> Path | None:
        address = SqliteAddress.parse(text)
        return address.path if address else None

    def with_path(self, text: str, path: Path) -> str:
        address = SqliteAddress.parse(text)
        return str(address.at(path)) if address else text


LocalPath = Annotated[str, Field(min_length=1), Local()]
"""A file or folder."""
DatasetPath = Annotated[str, Field(min_length=1), _Dataset()]
"""A data set of the hub, or a folder."""
DatabaseAddress = Annotated[str, _Database()]
"""A database, in a file where it is one of SQLite."""
