"""How pages for newcomers are written: short how-to guides of one form, and plain words."""

import re

import pytest
from pages import PAGES, text_of

HOW_TO = [page for page in PAGES if page.startswith("docs/how-to/")]
FOR_NEWCOMERS = [
    page for page in PAGES if page.startswith(("README", "docs/README", "docs/tutorials/", "docs/how-to/"))
]
CODE = re.compile(r"^ *```.*?^ *```\n|^ {4,}.*\n|`[^`\n]+`", re.DOTALL | re.MULTILINE)
NOT_PLAIN = r"\b(amiss|betters|doubts|heeds?|mend(s|ed)?|nobody|ran its course|stands?|tells?)\b"


@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_guide_has_a_goal_what_one_sees_and_at_most_forty_lines(page: str) -> None:
    prose = re.sub(r"^```.*?^```\n", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    assert re.match(r"# [A-Z].*\n\n\*\*Goal:\*\* ", prose)
    assert "You see" in prose or "You get" in prose
    assert len(prose.splitlines()) <= 40


@pytest.mark.parametrize("page", FOR_NEWCOMERS)
def test_pages_for_newcomers_have_plain_words(page: str) -> None:
    assert re.findall(NOT_PLAIN, CODE.sub("", text_of(page)), re.IGNORECASE) == []


@pytest.mark.parametrize("page", PAGES)
def test_the_rows_of_a_table_have_its_columns(page: str) -> None:
    """Code hosts show a table as plain text where its second line has other columns than its first."""
    tables = re.findall(r"(?:^\|.*\n)+", CODE.sub("", text_of(page)), re.MULTILINE)
    counts = [{line.replace("\\|", "").count("|") for line in table.splitlines()} for table in tables]
    assert [(count, table[:80]) for count, table in zip(counts, tables, strict=True) if len(count) > 1] == []


def test_the_readme_fits_a_screen() -> None:
    assert len(text_of("README.md").splitlines()) <= 70
