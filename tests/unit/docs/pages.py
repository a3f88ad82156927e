"""The documentation as tests read it: pages, and the commands and blocks in them."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

from conftest import REPOSITORY

PAGES = ["README.md", *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_START = r"(?:intelligen|python launch\.py)"
_TYPED = re.compile(rf"(?:[A-Z_]+=\S+ )?({_START}(?: .*)?)$")
_INLINE = re.compile(rf"`(?:[A-Z_]+=\S+ )?({_START} [^`]+)`")
_SHELL = re.compile(r" [<>] .*| &$")
_OPEN_ENDED = re.compile(r"…|\[[A-Z]|<[A-Z]")
"""`intelligen run …`, `launch.py [FILE]`: the form of a command, not one to type."""


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks of code in a language, without the indentation of a list around them."""
    found = _BLOCK.findall(text_of(page))
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, name, code in found if name == language]


def commands(page: str) -> list[list[str]]:
    """What the page says to type: a verb with its arguments. The verb of `python launch.py` is `run`."""
    text = _BLOCK.sub(lambda block: "" if block[2] in ("python", "yaml", "toml") else block[3], text_of(page))
    text = text.replace("\\\n", " ")
    return [words for line in _lines(text) if (words := _words(line))]


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        block = line.startswith("    ") or re.match(_START, line)
        parts = re.split(r" (?:&&|[|]) ", line.strip()) if block else []
        yield from [typed[1] for part in parts if (typed := _TYPED.match(part))] or _INLINE.findall(line)


def _words(line: str) -> list[str]:
    if _OPEN_ENDED.search(line) or "VERB" in line:
        return []
    words = shlex.split(_SHELL.sub("", line), comments=True)
    return ["run", *words[2:]] if words[0] == "python" else words[1:]


def write_files(page: str) -> None:
    """Write what the page has the reader write: blocks that begin with a comment of their path, and a package."""
    for code in [*blocks(page, "yaml"), *blocks(page, "python")]:
        if named := re.match(r"# (\S+\.(?:yaml|py))\n", code):
            _write(Path(named[1]), code)
            for included in re.findall(r"^include: \[(\S+)\]$", code, re.MULTILINE):  # from the reader's clone
                shipped = Path(named[1]).parent / included
                _write(shipped, (REPOSITORY / shipped).read_text(encoding="utf-8"))
    for code in blocks(page, "toml"):
        package = tomllib.loads(code).get("project", {})
        if "name" in package:  # installed by what pip would write for it
            points = package["entry-points"].items()
            lines = [line for group, of in points for line in (f"[{group}]", *(f"{key} = {of[key]}" for key in of))]
            metadata = Path(f"{package['name']}-{package['version']}.dist-info")
            _write(metadata / "METADATA", f"Name: {package['name']}\nVersion: {package['version']}\n")
            _write(metadata / "entry_points.txt", "\n".join(lines))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
