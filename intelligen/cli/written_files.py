"""Files that a command writes on request: `-` is standard output, and links, pipes and devices are written into."""

from pathlib import Path

import click

from intelligen.errors import CannotCreateError
from intelligen.state.atomic_files import replace_file

FILE = click.Path(dir_okay=False, path_type=Path)
STANDARD_OUTPUT = Path("-")


def write_text(path: Path, text: str) -> None:
    """Write a whole file, or onto standard output.

    Raises:
        CannotCreateError: It cannot be written.

    """
    if path == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    # A rename would put a file in the place of a link, a pipe or a device such as /dev/stdout.
    into_it = path.is_symlink() or (path.exists() and not path.is_file())
    try:
        if into_it:
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path, text.encode())
    except OSError as error:
        raise CannotCreateError(f"{path}: cannot be written: {error.strerror}; name another file") from error
