"""Draw what a command writes on a terminal so many columns wide, for the documentation and to look at it.

    python scripts/terminal_picture.py docs/images/terminal/trials-80.svg --columns 80 -- intelligen trials quickstart

runs the command on a pseudo-terminal and writes an SVG of all its output. Needs a system that has them.
"""

import argparse
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

LINES = 400
FETCHED_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Of Rich's pictures; readers have a monospaced font without the network."""


def output_of(command: list[str], *, columns: int) -> str:
    """All that a command writes on a terminal of so many columns, escape sequences included.

    Raises:
        CalledProcessError: The command failed.

    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment | {"TERM": "xterm-256color"})
    os.close(its)
    found = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side has closed
            part = b""
        if not part:
            break
        found += part
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, found.decode(errors="replace"))
    return found.decode(errors="replace").replace("\r\n", "\n")


def main() -> None:
    """Write one picture."""
    parser = argparse.ArgumentParser(description="Draw what a command writes on a terminal.")
    parser.add_argument("picture", type=Path, help="the SVG file")
    parser.add_argument("--columns", type=int, default=80, help="width of the terminal")
    parser.add_argument("command", nargs="+", help="the command, after `--`")
    arguments = parser.parse_args()
    console = Console(record=True, width=arguments.columns, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output_of(arguments.command, columns=arguments.columns)))
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    picture = FETCHED_FONT.sub("", console.export_svg(title=shlex.join(arguments.command)))
    arguments.picture.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
