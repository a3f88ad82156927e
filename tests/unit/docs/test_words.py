"""The pages, the messages and the help are in plain words: those that readers stumbled on do not come back."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY

PLAIN = {
    "amiss": "wrong",
    "betters": "is better than",
    "doubt doubts": "warning",
    "heed heeded heeds": "use, follow",
    "mend mended mending mends": "fix",
    "nobody": "no …, or the passive",
    "stand standing stands stood": "be, have, belong, replace",
    "tell telling tells told": "say, show, report, distinguish",
    "whoever": "anyone who",
}
"""Words → what to write."""
INSTEAD = {word: plain for words, plain in PLAIN.items() for word in words.split()} | {"its course": "finished"}
WORD = re.compile(r"ask and tell|(?<=\bran )its course|(?<=\brun )its course|[a-z]+(?:-[a-z]+)*")
PAGES = ("*.md", "docs/**/*.md")
FILES = ("experiments/*.yaml", "search_spaces/*.yaml", "cluster.yaml", "intelligen/**/*.yaml", "schemas/*.json")
HISTORICAL = {"CHANGELOG.md", "intelligen/state/stop_reason.py"}
"""What was said in earlier revisions, and is still read."""
Text = tuple[str, str]
"""Where it is, and what it says."""


def test_pages_are_in_plain_words() -> None:
    found = _found(_lines(PAGES, lambda text: re.sub(r"```.*?```|`[^`\n]*`", _blank, text, flags=re.DOTALL)))
    assert not found, "\n".join(found)


def test_files_for_users_are_in_plain_words() -> None:
    found = _found(_lines(FILES, lambda text: text.replace("\\n", " ")))
    assert not found, "\n".join(found)


def test_messages_and_help_are_in_plain_words() -> None:
    found = _found(_strings())
    assert not found, "\n".join(found)


def test_what_readers_stumbled_on_is_found_with_its_place_and_what_to_write_instead() -> None:
    assert _found([("page:1", "It stands there, and it ran its course."), ("page:2", "Nobody knows")]) == [
        "page:1: stands: be, have, belong, replace",
        "page:1: its course: finished",
        "page:2: nobody: no …, or the passive",
    ]


@pytest.mark.parametrize("text", ["ask and tell", "a stand-in for a GPU", "recommended", "understand", "of course"])
def test_a_plain_word_is_not_found(text: str) -> None:
    assert _found([("page:1", text)]) == []


def _found(texts: Iterable[Text]) -> list[str]:
    return [
        f"{place}: {word}: {INSTEAD[word]}"
        for place, text in texts
        for word in WORD.findall(text.lower())
        if word in INSTEAD
    ]


def _lines(patterns: tuple[str, ...], readable: Callable[[str], str]) -> Iterator[Text]:
    for path in sorted({path for pattern in patterns for path in REPOSITORY.glob(pattern)}):
        if (name := _name(path)) not in HISTORICAL:
            for number, line in enumerate(readable(path.read_text(encoding="utf-8")).split("\n"), 1):
                yield f"{name}:{number}", line


def _strings() -> Iterator[Text]:
    """Messages everywhere; docstrings where they are the help of a verb or of a public function."""
    for path in sorted((REPOSITORY / "intelligen").rglob("*.py")):
        # The embedded corpus is a grammar, and English sentences do stand and tell.
        if (name := _name(path)) in HISTORICAL or name.startswith("intelligen/data/embedded/"):
            continue
        code = path.read_text(encoding="utf-8")
        # Most files have no such word, and need not be parsed.
        nodes = list(ast.walk(ast.parse(code))) if _found([(name, code)]) else []
        shown = name.startswith(("intelligen/cli/", "intelligen/api.py"))
        notes = set() if shown else {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
                yield f"{name}:{node.lineno}", node.value


def _blank(code: re.Match[str]) -> str:
    """Code is quoted as it is; its lines count."""
    return "\n" * code.group().count("\n")


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()
