"""Photograph a sweep in MLflow's own interface, in a real browser, for the documentation.

    python scripts/mlflow_screenshot.py sqlite:///mlflow.db docs/images/mlflow

writes comparison.png and charts.png (the prepared comparison), runs.png (the sweep's run above its trials), curves.png
(validation by update), sweep.png (the sweep's page) and samples.png (translations of its newest trial). Needs Chromium,
and the extra `dev`. Written for MLflow 3.17: another version may name its buttons otherwise.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from intelligen.analysis.mlflow_links import comparison_path
from intelligen.tracking.mlflow_store import open_client
from intelligen.tracking.saved_views import view_key

VIEWPORT = {"width": 1500, "height": 900}
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
START_TIMEOUT_S = 90
# Charts and tables fade in after the data have come, and nothing on the page says when.
SETTLE_MS = 3000
FILTER_MS = 500
SHOWN_COLUMNS = ("selected/valid/bleu", "valid/loss", "time/epoch_s", "finetuning.optimizer.learning_rate", "state")
HIDDEN_COLUMNS = ("Dataset", "Source", "Models")


def main() -> None:
    """Find the newest sweep of the store and photograph it."""
    parser = argparse.ArgumentParser(description="Photograph the newest sweep of an MLflow store.")
    parser.add_argument("store", help="tracking address, such as sqlite:///mlflow.db")
    parser.add_argument("directory", type=Path, help="where the pictures go")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's executable")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    experiment_id, sweep_id, sweep_run, trial_run = newest_sweep(arguments.store)
    with served(arguments.store) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=BROWSER_OPTIONS)
        page = browser.new_page(viewport=VIEWPORT)
        page.set_default_timeout(1000 * START_TIMEOUT_S)
        experiment = f"{address}/#/experiments/{experiment_id}/runs"
        make_room(page, experiment)
        photograph_runs(page, arguments.directory / "runs.png")
        photograph_curves(page, experiment, arguments.directory / "curves.png")
        photograph(page, f"{experiment}/{sweep_run}", arguments.directory / "sweep.png", awaited="About this run")
        samples = f"{experiment}/{trial_run}/artifacts/samples.json"
        photograph(page, samples, arguments.directory / "samples.png", awaited="View as table")
        photograph_comparison(page, address + comparison_path(experiment_id, view_key(sweep_id)), arguments.directory)
        browser.close()


def newest_sweep(store: str) -> tuple[str, str, str, str]:
    """Ids of the experiment, of the sweep, of the sweep's run and of its newest trial's run."""
    client = open_client(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    sweeps = client.search_runs(experiments, "tags.kind = 'sweep'", order_by=["attributes.start_time DESC"])
    if not sweeps:
        sys.exit(f"{store}: holds no sweep")
    sweep = sweeps[0].info
    trials = client.search_runs(
        [sweep.experiment_id],
        f"tags.mlflow.parentRunId = '{sweep.run_id}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return sweep.experiment_id, sweeps[0].data.tags["sweep_id"], sweep.run_id, trials[0].info.run_id


@contextmanager
def served(store: str) -> Iterator[str]:
    """MLflow's interface over the store, on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [*command, "--workers", "1"], env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    ) as server:
        try:
            wait_for(f"{address}/health")
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def wait_for(url: str) -> None:
    """Return when the address answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def make_room(page: Page, experiment: str) -> None:
    """Close the assistant, and choose the interface for training; both choices last."""
    page.goto(experiment)
    page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]').click()
    page.get_by_text("Model training", exact=True).first.click()
    page.goto(experiment)


def photograph_comparison(page: Page, address: str, directory: Path) -> None:
    """The table and the charts of the prepared comparison."""
    for mode, name, shown, height in (
        ("", "comparison.png", "a[href*='/runs/']", VIEWPORT["height"]),
        ("&compareRunsMode=CHART", "charts.png", ".parcoords", 1800),
    ):
        # Beforehand: charts that are not seen are not drawn.
        page.set_viewport_size({**VIEWPORT, "height": height})
        page.goto("about:blank")
        page.goto(address + mode)
        page.locator(shown).first.wait_for(state="attached")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=directory / name)
    page.set_viewport_size(VIEWPORT)


def photograph_runs(page: Page, picture: Path) -> None:
    """The sweep's run, its trials below it, and the columns that compare them."""
    page.locator('[data-component-id*="runnamecellrenderer"]').first.click()
    page.get_by_test_id("column-selection-dropdown").first.click()
    search = page.get_by_placeholder("Search columns")
    for column in HIDDEN_COLUMNS + SHOWN_COLUMNS:
        search.fill(column)
        page.wait_for_timeout(FILTER_MS)
        row = page.locator('[class*="tree-treenode"]').filter(has_text=re.compile(rf"^\s*{re.escape(column)}\s*$"))
        # A sweep that varies something else lacks a column.
        if row.count():
            row.last.locator('[class*="tree-checkbox"]').first.click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=picture)


def photograph_curves(page: Page, experiment: str, picture: Path) -> None:
    """The trials' validation metrics by update, not those of the selected weights, which have one point each."""
    page.goto(f"{experiment}?compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill("^valid/")
    page.locator(".js-line").first.wait_for(state="attached")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=picture)


def photograph(page: Page, address: str, picture: Path, *, awaited: str) -> None:
    """One page once it shows the awaited words, its description unfolded."""
    page.goto(address)
    page.get_by_text(awaited, exact=True).first.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    unfold = page.get_by_text("Show more", exact=True)
    if unfold.count():
        unfold.first.click()
    page.screenshot(path=picture)


if __name__ == "__main__":
    main()
