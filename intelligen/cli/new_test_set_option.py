"""`--data` option: a new test set as NAME=FILE, NAME=FOLDER, NAME=SOURCE,TARGET or NAME={file: …}."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.cli.options import Command
from intelligen.config.base import NAME_PATTERN
from intelligen.config.document import Document
from intelligen.config.files.examined import validated
from intelligen.config.files.yaml_file import parse_value
from intelligen.config.schema.split_forms import PairTable
from intelligen.errors import ConfigError

if TYPE_CHECKING:
    from intelligen.data.new_test_set import NewTestSet


def new_test_set_option(command: Command) -> Command:
    """`--data`, any number of times."""
    return click.option(
        "--data",
        multiple=True,
        metavar="NAME=FILE | NAME=FOLDER | NAME=SOURCE,TARGET | NAME={file: FILE, …}",
        help="Score a new test set: a .tsv, .csv or .jsonl file, or two text files, plain or .gz; where the task reads"
        " them, a folder of texts or a file of documents. May be repeated.",
    )(command)


def new_test_sets(texts: tuple[str, ...]) -> "list[NewTestSet]":
    """What the options say; the files are looked at later.

    Raises:
        ConfigError: One is not written so, a name is none, or two are the same.

    """
    found = [_new_test_set(text) for text in texts]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--data: two test sets are called {name}; give each a different name")
    return found


def _new_test_set(text: str) -> "NewTestSet":
    from intelligen.data.new_test_set import NewTestSet

    name, _, files = text.partition("=")
    paths = [files] if files.startswith("{") or Path(files).exists() else files.split(",")
    if not all(paths) or len(paths) > 2:
        forms = "NAME=FILE (.tsv, .csv or .jsonl) or NAME=SOURCE,TARGET, or NAME=FOLDER"
        raise ConfigError(f"--data {text}: write {forms}")
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"--data: {name!r} is not a valid name: use letters, digits, dots, - and _, at most 64")
    if files.startswith("{"):
        table, path = _table(files, f"--data {text}")
        return NewTestSet(name, (path,), table)
    return NewTestSet(name, tuple(map(Path, paths)))


def _table(written: str, origin: str) -> "tuple[PairTable, Path]":
    """A table as an experiment file writes one, and its path, which may lie anywhere."""
    value = parse_value(written, origin)
    assert isinstance(value, dict)
    file = value.get("file")
    inside = {"file": Path(file).name} if isinstance(file, str) else {}
    return validated(PairTable, Document({**value, **inside}, {(): origin})), Path(str(file))
