"""Checks the sizes of Python files and functions: small enough to be read at once.

    python scripts/sizes.py

names every Python file that is longer than it may be, and the longest functions where too many are long.
"""

import ast
import sys
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
MOST_LINES: Final = {"intelligen": 300, "tests": 450}
"""Folder → lines of each of its files."""
FUNCTION_LINES: Final = 25
"""Lines of nine functions of ten of the product, from `def` to the last."""


class Function(NamedTuple):
    """A function or method."""

    lines: int
    place: str
    """`file:line name`."""


def problems(root: Path) -> Iterator[str]:
    """What is too long below a directory: a line each."""
    for folder, most in MOST_LINES.items():
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > most:
                yield f"{name}: {lines} lines, at most {most}: split it"
    longest = sorted(_functions(root, "intelligen"), reverse=True)
    too_long = [one for one in longest if one.lines > FUNCTION_LINES]
    if 10 * len(too_long) > len(longest):
        shown = ", ".join(f"{one.place} ({one.lines})" for one in too_long[:5])
        share = ceil(100 * len(too_long) / len(longest))
        yield f"{share} % of the functions have over {FUNCTION_LINES} lines, at most 10 % may; the longest: {shown}"


def _functions(root: Path, folder: str) -> Iterator[Function]:
    for path in (root / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = f"{path.relative_to(root).as_posix()}:{node.lineno} {node.name}"
                yield Function((node.end_lineno or node.lineno) - node.lineno + 1, place)


if __name__ == "__main__":
    sys.exit("\n".join(problems(ROOT)) or 0)
