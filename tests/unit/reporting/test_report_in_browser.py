"""In a real browser the report works alone: no error, no request, tables that sort, no sideways scroll on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from small_study import SmallStudy

from intelligen.reporting.html.write_report import write_report

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# Looked for as an element: the page's security policy forbids to poll by evaluating a text.
DRAWN = "html[data-ready=true]"
PARTS = ("answer", "results", "learning", "exposure", "search", "importance", "parallel", "mixtures", "samples", "run")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = SmallStudy(tmp_path_factory.mktemp("browser") / "runs", hypothesis="<script>window.attacked = 1</script>")
    return write_report(study.write(), store=study.store)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


class Opened:
    """The report in a window, and what happened there."""

    def __init__(self, browser: Any, report: Path, *, width: int, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type != "log" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())
        self.page.locator(DRAWN).wait_for(state="attached")

    def column(self, number: int) -> list[str]:
        """Of the first table, from above."""
        cells: list[str] = self.page.eval_on_selector_all(
            f"table:first-of-type tbody tr > :nth-child({number})", "cells => cells.map(cell => cell.textContent)"
        )
        return cells[:4]

    def direction(self, number: int) -> str | None:
        """How the first table is sorted by a column."""
        found: str | None = self.page.locator(f"table thead th:nth-child({number})").first.get_attribute("aria-sort")
        return found


@pytest.fixture(scope="module")
def wide(browser: Any, report: Path) -> Opened:
    return Opened(browser, report, width=1280)


def test_it_is_one_file_below_five_megabytes_that_asks_for_nothing(report: Path, wide: Opened) -> None:
    assert report.stat().st_size < 5_000_000
    assert [url for url in wide.requests if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert wide.errors == []


def test_every_part_is_there_and_every_open_figure_is_drawn(wide: Opened) -> None:
    ids = wide.page.eval_on_selector_all("section", "sections => sections.map(section => section.id)")
    assert set(PARTS) <= set(ids)
    shown = "[data-figure]:not(details:not([open]) *)"
    figures = wide.page.locator(shown).count()
    assert figures > 10
    assert wide.page.eval_on_selector_all(shown, "all => all.filter(one => one.querySelector('svg')).length") == figures


def test_a_folded_figure_is_drawn_when_it_is_opened(wide: Opened) -> None:
    folded = wide.page.locator("#parallel details").nth(1)
    assert folded.locator("svg.main-svg").count() == 0
    folded.locator("summary").click()
    folded.locator("svg.main-svg").first.wait_for()
    assert wide.errors == []


def test_what_a_model_says_does_not_run(wide: Opened) -> None:
    assert wide.page.evaluate("window.attacked") is None
    assert "window.attacked" in wide.page.locator("#samples").inner_text()


def test_a_table_sorts_by_click_and_by_enter(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, width=1280)
    by_bleu = opened.page.locator("table").first.locator("thead button").nth(1)
    by_bleu.click()
    assert opened.column(1)[0] == "intelligen"
    assert opened.direction(2) == "descending"
    by_bleu.focus()
    opened.page.keyboard.press("Enter")
    assert opened.column(1)[-1] == "intelligen"
    assert opened.direction(2) == "ascending"
    # What is not known stays last, whichever way.
    by_p = opened.page.locator("table").first.locator("thead button").nth(3)
    for _ in range(2):
        by_p.click()
        assert opened.column(4)[2:] == ["–", "–"]
    assert opened.direction(2) == "none"


def test_a_desktop_shows_the_results_with_all_their_columns(wide: Opened) -> None:
    table = "document.querySelector('#results .wide')"
    assert wide.page.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")


def test_a_command_is_copied_by_its_button(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, width=1280)
    button = opened.page.locator("#answer .copy").first
    button.click()
    assert opened.page.evaluate("getSelection().toString()").startswith("intelligen run ")
    assert button.text_content() in ("Copied", "Selected")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, report: Path, scheme: str) -> None:
    opened = Opened(browser, report, width=400, scheme=scheme)
    width = opened.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(width) <= 400
    assert opened.errors == []
    # The table of results is a list there; what is longer says that it scrolls.
    verdict = opened.page.locator("#results td[data-label=verdict]").last.bounding_box()
    assert verdict is not None
    assert verdict["x"] + verdict["width"] <= 400
    assert opened.page.locator("#trials .hint").count() == 1
    assert opened.page.locator("#results .hint").count() == 0


def test_dark_mode_darkens_the_page_and_the_figures_words(browser: Any, report: Path) -> None:
    light, dark = (Opened(browser, report, width=1280, scheme=scheme) for scheme in ("light", "dark"))
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.plot text')).fill"
    mark = "getComputedStyle(document.querySelector('.legend svg')).color"
    for what in (ground, ink, mark):
        assert light.page.evaluate(what) != dark.page.evaluate(what)
    line = "[data-figure=learning] .lines path"
    strokes = [one.page.locator(line).first.evaluate("line => line.style.stroke") for one in (light, dark)]
    assert strokes == ["rgb(0, 114, 178)", "rgb(76, 155, 255)"]
