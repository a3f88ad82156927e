"""The form of pages: short how-to guides, tables that code hosts show, a README of one screen."""

import re

import pytest
from pages import PAGES, text_of

HOW_TO = [page for page in PAGES if page.startswith("docs/how-to/")]
CODE = re.compile(r"^ *```.*?^ *```\n|^ {4,}.*\n|`[^`\n]+`", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_guide_has_a_goal_what_one_sees_and_at_most_forty_lines(page: str) -> None:
    prose = re.sub(r"^```.*?^```\n", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    assert re.match(r"# [A-Z].*\n\n\*\*Goal:\*\* ", prose)
    assert "You see" in prose or "You get" in prose
    assert len(prose.splitlines()) <= 40


@pytest.mark.parametrize("page", PAGES)
def test_the_rows_of_a_table_have_its_columns(page: str) -> None:
    """Code hosts show a table as plain text where its second line has other columns than its first."""
    tables = re.findall(r"(?:^\|.*\n)+", CODE.sub("", text_of(page)), re.MULTILINE)
    counts = [{line.replace("\\|", "").count("|") for line in table.splitlines()} for table in tables]
    assert [(count, table[:80]) for count, table in zip(counts, tables, strict=True) if len(count) > 1] == []


def test_the_readme_fits_a_screen() -> None:
    assert len(text_of("README.md").splitlines()) <= 70
