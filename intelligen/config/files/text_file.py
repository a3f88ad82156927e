"""Reads a settings file as text: regular, small, UTF-8 and printable, or it is refused."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from intelligen.config.document import problem_line
from intelligen.config.files.shipped_files import folders_of
from intelligen.errors import ConfigError

MAX_BYTES = 1 << 20

# All that YAML calls unprintable, and the tab, whose width is not defined.
UNWANTED = re.compile("[^\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_text(path: Path) -> str:
    """The whole file, without a byte order mark.

    Raises:
        ConfigError: there is no such file, it cannot be read, or it is too large, binary or not UTF-8.

    """
    name = displayed(path)
    raw = _bytes(path, name)
    if len(raw) > MAX_BYTES:
        raise ConfigError(problem_line(name, "", "larger than 1 MiB; is this the right file?"))

    def fail(offset: int, what: str) -> NoReturn:
        line = raw.count(b"\n", 0, offset) + 1
        raise ConfigError(problem_line(f"{name}:{line}", "", what)) from None

    if (offset := raw.find(b"\0")) >= 0:
        fail(offset, "a NUL byte: this is a binary file; give a YAML file")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        fail(error.start, f"not UTF-8 at byte {error.start}; save the file as UTF-8")
    if unwanted := UNWANTED.search(text):
        fail(len(text[: unwanted.start()].encode()), about_character(unwanted[0]))
    return text.removeprefix("\ufeff")


def displayed(path: Path) -> str:
    """The path as messages name it: as it was given, or without its `..` where it is absolute or leads below here."""
    if ".." not in path.parts:
        return str(path)
    try:
        found, here = path.resolve(), Path.cwd()
    except (OSError, RuntimeError):
        return str(path)
    if found.is_relative_to(here):
        return str(found.relative_to(here))
    return str(found if path.is_absolute() else path)


def from_here(path: Path) -> Path:
    """An absolute path as it is written in the working directory, where it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def about_character(character: str) -> str:
    """The problem with a character that settings must not hold."""
    if character == "\t":
        return "a tab; indent with spaces"
    return f"the control character U+{ord(character):04X}; remove it"


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise ConfigError(problem_line(name, "", "is a directory; give a YAML file in it"))
        if path.exists() and not path.is_file():  # a pipe would block, a device would never end
            raise ConfigError(problem_line(name, "", "is not a regular file; give a YAML file"))
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(problem_line(name, "", f"no such file; {_neighbour(path)}")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(problem_line(name, "", f"cannot be read: {reason}; check path and permissions")) from None


def _neighbour(path: Path) -> str:
    listed = [names for folder in folders_of(path) if (names := _yaml_files(folder)) is not None]
    if not listed:
        return "its directory does not exist either: check the path"
    close = get_close_matches(path.name, [name for names in listed for name in names], n=1)
    # A shipped file of this very name is found where a command names it, not from inside another file.
    return f'did you mean "{path.parent / close[0]}"?' if close and close[0] != path.name else "check the path"


def _yaml_files(folder: Path) -> list[str] | None:
    try:
        return [name for name in os.listdir(folder) if name.endswith((".yaml", ".yml"))]
    except OSError:
        return None
