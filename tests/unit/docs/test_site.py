"""The site builds from the pages with no broken link, and a page, file or heading that is missing ends the build."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from build_site import INDEX, OUTER_PAGES, build, four_space_lists
from conftest import REPOSITORY

needs_zensical = pytest.mark.skipif(find_spec("zensical") is None, reason="the extra `docs` is not installed")


@needs_zensical
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    assert build(REPOSITORY, tmp_path) == []
    site = tmp_path / "site"
    assert "Your first study" in (site / "docs" / "index.html").read_text(encoding="utf-8")
    assert (site / "search_spaces" / "study.yaml").read_bytes() == (
        REPOSITORY / "search_spaces/study.yaml"
    ).read_bytes()
    requested = r"<(?:script|img|link rel=.(?:stylesheet|preconnect))[^>]+(?:src|href)=.https?:"
    assert [page for page in site.rglob("*.html") if re.search(requested, page.read_text(encoding="utf-8"))] == []


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of an index and a page."""
    for page in (*OUTER_PAGES, str(INDEX), "docs/a.md"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("# A heading\n")
    index = (
        "## Pages\n\n- [A](a.md): a page\n- [B](../CONTRIBUTING.md)\n- [C](../CHANGELOG.md)\n- [D](d.ipynb): a file\n"
    )
    (tmp_path / INDEX).write_text(index)
    (tmp_path / "docs" / "d.ipynb").write_text("{}")
    shutil.copy(REPOSITORY / "zensical.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("[x](b.md)", "docs/a.md: links to b.md"),
        ("![x](picture.svg)", "docs/a.md: links to picture.svg"),
        ("[x](../docs)", "docs/a.md: links to ../docs"),
        ("[x](../../outside)", "docs/a.md: links to ../../outside"),
        pytest.param("[x](../README.md#nowhere)", "anchor does not exist", marks=needs_zensical),
        pytest.param("[x](#a-heading) [x](../README.md#a-heading) `[x](b)`", None, marks=needs_zensical),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(small: Path, written: str, problem: str | None) -> None:
    (small / "docs" / "a.md").write_text(f"# A heading\n\n{written}\n")
    found = build(small, small / "build")
    assert found == [] if problem is None else problem in "".join(found)


def test_a_page_that_the_index_lacks_ends_the_build(small: Path) -> None:
    (small / "docs" / "b.md").write_text("# B\n")
    assert build(small, small / "build") == ["docs/b.md: is not in the index docs/README.md"]


@pytest.mark.parametrize(
    ("github", "python"),
    [
        ("- a\n  more\n\ntext\n", "- a\n    more\n\ntext\n"),
        ("1. a\n\n       code\n\n   - b\n     c\n   - d\n", "1. a\n\n        code\n\n    - b\n        c\n    - d\n"),
        ("1. a\n\n   b\n2. c\n3. d\n", "1. a\n\n    b\n\n2. c\n3. d\n"),
        ("- a\n\n  ```\n  - x\n  ```\n", "- a\n\n    ```\n    - x\n    ```\n"),
        ("text\n\n    - code\n", "text\n\n    - code\n"),
    ],
)
def test_lists_are_indented_as_python_markdown_reads_them(github: str, python: str) -> None:
    assert four_space_lists(github) == python
