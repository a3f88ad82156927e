"""init: commented files to start from; an existing file is never overwritten."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option
from intelligen.config.base import NAME_PATTERN
from intelligen.config.json_schema import FILES, schema_text
from intelligen.errors import CannotCreateError, writing

EXPERIMENT, SWEEP = "experiment.yaml", "sweep.yaml"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@json_option
def init(directory: Path, as_json: bool) -> None:
    """Write an experiment file and a sweep file to start from into DIR.

    Sweep and experiment are named like DIR. The files are commented and valid, and run in a few minutes on two cores,
    without data or a GPU. Their JSON schemas are written beside them, for editors. Exit code 73: a file of that name
    exists already.
    """
    contents = _contents(directory.absolute().name)
    for name in contents:
        if os.path.lexists(directory / name):
            raise CannotCreateError(
                f"{directory / name}: exists already and is not overwritten; move it, or name another directory:"
                " intelligen init DIR"
            )
    for name, text in contents.items():
        with writing(directory / name):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            with (directory / name).open("x", encoding="utf-8") as file:
                file.write(text)
        if not as_json:
            click.echo(f"wrote    {directory / name}")
    if as_json:
        print_document({"format": 1, "files": [str(directory / name) for name in contents]})
        return
    experiment, sweep = str(directory / EXPERIMENT), str(directory / SWEEP)
    for word, *command in (
        ("check", "validate", experiment, sweep),
        ("plan", "plan", sweep),
        ("run", "run", sweep),
    ):
        click.echo(f"{word:<9}{shlex.join(['intelligen', *command])}")


def _contents(name: str) -> Mapping[str, str]:
    """Each file by its name in a directory called `name`; the schemas are those of this version."""
    starter = Path(__file__).with_name("starter")
    texts = {file: (starter / file).read_text(encoding="utf-8") for file in (EXPERIMENT, SWEEP)}
    if re.search(NAME_PATTERN, name):
        texts = {file: text.replace(starter.name, name) for file, text in texts.items()}
    return texts | {f"schemas/{kind}.schema.json": schema_text(kind) for kind in FILES}
