"""Builds the documentation as a site, from the same files that a code host shows.

    pip install -c constraints.txt -e '.[docs]'
    python scripts/build_site.py

writes build/docs/site/index.html. The pages keep the places that they have in the repository, so that their links need
no rewriting. A file that a page links to, such as a sweep file, is copied beside them. The menu is the index
docs/README.md. Exit code 1: a link names a page, a heading or a file that does not exist.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
OUTER_PAGES: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
INDEX: Final = Path("docs/README.md")
CODE: Final = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
ENTRY: Final = re.compile(r"^## (.+)$|^- \[([^\]]+)\]\(([^)#]+\.md)\)", re.MULTILINE)
FENCE: Final = re.compile(r" *```")
ITEM: Final = re.compile(r" *(?:[-*]|\d+\.) +")

Menu = list[tuple[str, list[tuple[str, str]]]]
"""Headings, each with the titles and files of its pages."""


def build(root: Path, place: Path) -> list[str]:
    """Write the site to `place`/site, from copies of the pages beside it; what is wrong with them, a line each."""
    shutil.rmtree(place, ignore_errors=True)
    menu = _menu(root)
    if found := [*_stage(root, place / "pages"), *_unlisted(root, menu)]:
        return found
    settings = (root / "zensical.toml").read_text(encoding="utf-8").replace("nav = []", f"nav = {_toml(menu)}")
    (place / "zensical.toml").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(place / "zensical.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    return [] if done.returncode == 0 else [_readable(done.stdout + done.stderr)]


def _readable(output: str) -> str:
    """What Zensical prints, without colours and without the traceback that a strict build ends with."""
    return re.sub(r"\x1b\[[\d;]*m", "", output).partition("Traceback")[0].strip()


def four_space_lists(page: str) -> str:
    """The page with lists as Python-Markdown reads them: what belongs to an item is indented by four.

    GitHub indents it by the width of the item's marker, and needs no blank line after an item that has several parts.
    """
    lines, columns, fenced, parts = [""], list[int](), False, False
    for line in page.splitlines():
        text = line.lstrip()
        indent = len(line) - len(text)
        while text and columns and indent < columns[-1]:
            columns.pop()
        inner = indent - (columns[-1] if columns else 0)
        item = ITEM.match(line) if inner < 4 and not fenced else None
        if item and parts and lines[-1]:
            lines.append("")
        lines.append(" " * (4 * len(columns) + inner) + text if text else "")
        parts = not item and (parts or not text)
        if item:
            columns.append(item.end())
        fenced ^= FENCE.match(line) is not None
    return "\n".join(lines[1:]) + "\n"


def _pages(root: Path) -> list[Path]:
    inner = (path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    return [*map(Path, OUTER_PAGES), *sorted(inner)]


def _stage(root: Path, pages: Path) -> Iterator[str]:
    """Copy the pages and the files that they link to; what they link to and is no file."""
    for page in _pages(root):
        text = (root / page).read_text(encoding="utf-8")
        (pages / page).parent.mkdir(parents=True, exist_ok=True)
        (pages / page).write_text(four_space_lists(text), encoding="utf-8")
        for link in LINK.findall(CODE.sub("", text)):
            file = (root / page).parent.joinpath(link).resolve()
            if not (file.is_file() and file.is_relative_to(root.resolve())):
                yield f"{page}: links to {link}, which is no file of the repository"
            elif file.suffix != ".md":
                copy = pages / file.relative_to(root.resolve())
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


def _menu(root: Path) -> Menu:
    """The headings of the index with their pages, in order."""
    menu: Menu = [("Start", [("IntelliGEN", "README.md"), ("Documentation", INDEX.as_posix())])]
    for heading, title, link in ENTRY.findall((root / INDEX).read_text(encoding="utf-8")):
        if heading:
            menu.append((heading, []))
        else:
            menu[-1][1].append((title, os.path.normpath(INDEX.parent / link)))
    return menu


def _unlisted(root: Path, menu: Menu) -> Iterator[str]:
    """The pages that the menu lacks."""
    listed = {page for _, pages in menu for _, page in pages}
    for page in _pages(root):
        if page.as_posix() not in listed:
            yield f"{page}: is not in the index {INDEX}"


def _toml(menu: Menu) -> str:
    """The menu as Zensical reads it: lists of tables of one key."""
    groups = ((name, ", ".join(_entry(title, json.dumps(page)) for title, page in pages)) for name, pages in menu)
    return f"[{', '.join(_entry(name, f'[{pages}]') for name, pages in groups)}]"


def _entry(name: str, value: str) -> str:
    return f"{{{json.dumps(name, ensure_ascii=False)} = {value}}}"


if __name__ == "__main__":
    problems = build(ROOT, ROOT / "build" / "docs")
    sys.exit("\n".join(problems) or 0)
