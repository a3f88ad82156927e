"""Photograph a report in a real browser, wide and narrow, light and dark, for the documentation and to look at it.

    python scripts/report_screenshot.py runs/sweeps/study/report.html docs/images/report

writes wide-light.png, wide-dark.png, narrow-light.png and narrow-dark.png: the whole page, with `--top 1000` so many
pixels of it, with `--part answer` one section. Needs Chromium, and the extra `dev`.
"""

import argparse
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

WIDTHS = {"wide": 1280, "narrow": 400}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HEIGHT = 900
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# Looked for as an element: the page's security policy forbids to poll by evaluating a text.
DRAWN = "html[data-ready=true]"


def main() -> None:
    """Take the four pictures."""
    parser = argparse.ArgumentParser(description="Photograph a report, wide and narrow, light and dark.")
    parser.add_argument("report", type=Path, help="the HTML file")
    parser.add_argument("directory", type=Path, help="where the pictures go")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--top", type=int, help="show so many pixels; the whole page where not given")
    shown.add_argument("--part", help="id of the section to show")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's executable")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=BROWSER_OPTIONS)
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                picture = arguments.directory / f"{name}-{scheme}.png"
                page = browser.new_page(
                    viewport={"width": width, "height": arguments.top or HEIGHT}, color_scheme=scheme
                )
                photograph(page, arguments.report, picture, part=arguments.part, whole=arguments.top is None)
                page.close()
        browser.close()


def photograph(page: Page, report: Path, picture: Path, *, part: str | None, whole: bool) -> None:
    """One picture, once all figures are drawn."""
    page.goto(report.absolute().as_uri())
    page.locator(DRAWN).wait_for(state="attached")
    if part is None:
        page.screenshot(path=picture, full_page=whole)
    else:
        page.locator(f"#{part}").screenshot(path=picture)


if __name__ == "__main__":
    main()
