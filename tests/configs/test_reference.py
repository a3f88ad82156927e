"""The reference in docs/sweep-file.md says what the settings say."""

import re
import runpy
from collections.abc import Callable

import pytest
from conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "sweep-file.md"


@pytest.fixture(scope="module")
def with_reference() -> Callable[[str], str]:
    function: Callable[[str], str] = runpy.run_path(str(REPOSITORY / "scripts" / "write_reference.py"))[
        "with_reference"
    ]
    return function


def test_the_reference_is_up_to_date(with_reference: Callable[[str], str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_reference(page) == page, "stale: run python scripts/write_reference.py"


@pytest.mark.parametrize("key", ["grace_epochs", "trials_per_strategy", "min_importance", "max_length_difference"])
def test_a_key_that_the_page_lacks_is_written_again(with_reference: Callable[[str], str], key: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    stale = "\n".join(line for line in page.split("\n") if not line.startswith(f"| `{key}`"))
    assert stale != page
    assert with_reference(stale) == page


def test_what_stands_outside_the_markers_stays(with_reference: Callable[[str], str]) -> None:
    head, tail = "An introduction.\n", "\nAn end.\n"
    page = PAGE.read_text(encoding="utf-8")
    begin, end = page.index("<!-- reference"), page.index("<!-- end")
    written = with_reference(head + page[begin:end] + "<!-- end of the reference -->" + tail)
    assert written.startswith(head)
    assert written.endswith(tail)


def test_every_link_within_the_page_has_its_heading() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors
