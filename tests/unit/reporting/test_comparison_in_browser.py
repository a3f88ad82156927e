"""In MLflow's own interface, in a real browser, the prepared comparison shows its columns, order and charts."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page, sync_playwright
from small_study import SmallStudy

from intelligen.analysis.mlflow_links import compare_lines, comparison_path, run_path
from intelligen.state.mlflow_run_ids import RunIds, read_run_ids
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_store import open_client

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# So that nothing has to be scrolled to: the page makes only what is seen.
WIDE = {"width": 3600, "height": 3000}
# From left to right: where a heading stands in the document depends on when its column got its place.
HEADINGS = """() => [...document.querySelectorAll('.ag-header-cell')]
    .sort((one, other) => one.getBoundingClientRect().left - other.getBoundingClientRect().left)
    .map(heading => heading.innerText.trim()).filter(text => text)"""
# From above, wherever they stand in the document.
ROWS = """() => [...document.querySelectorAll('.ag-root a[href*="/runs/"]')]
    .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
    .map(link => link.href.split('/runs/')[1].slice(0, 32))"""
COLUMNS = [
    *("Run Name", "Created", "strategy", "state"),
    *("selected/valid/bleu", "test/bleu", "test-greedy/bleu", "selected/valid/chrf", "selected/valid/loss"),
    *("trial/epoch_s", "trial/memory_peak_mib", "trial/cost_device_s"),
    "finetuning.optimizer.learning_rate",
]
SECTIONS = [
    "valid/bleu by update (1)",
    "selected/valid/bleu by strategy (2)",
    "selected/valid/bleu by what the search varied (4)",
    "selected/valid/bleu against device-seconds (1)",
]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")]


class Shown:
    """A study in MLflow, and its interface in a window."""

    def __init__(self, page: Page, address: str, client: MlflowClient, runs: RunIds) -> None:
        self.page = page
        self.client = client
        self.runs = runs
        self._address = address

    def open(self, path: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(self._address + path)

    def open_comparison(self, mode: str = "") -> None:
        self.open(comparison_path(self.runs.experiment or "", self.runs.view) + mode)
        self.page.get_by_text("matching runs").wait_for()

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]


@contextmanager
def served(command: str) -> Iterator[str]:
    """The interface, started by the command as it was printed, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    typed = f"exec {command} --workers 1 --port {port}"
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S602  # as a person types it
        typed, shell=True, env=os.environ | quiet, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310
        except OSError:
            assert server.poll() is None, "the printed command does not start it"
            assert time.monotonic() < deadline
            time.sleep(0.3)
        else:
            return


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    base = tmp_path_factory.mktemp("it's a place")
    study = SmallStudy(base / "runs", failed=("t0003",))
    directory = study.write()
    uri = f"sqlite:///{base}/mlflow.db"
    assert MlflowMirror(directory, tracking_uri=uri, experiment="tiny").close(timeout_s=60)
    runs = read_run_ids(directory)
    command, link = compare_lines(uri, runs)
    assert link == f"http://127.0.0.1:5000{comparison_path(runs.experiment or '', runs.view)}"
    with served(command) as address, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(90_000)
        yield Shown(page, address, open_client(uri), runs)
        browser.close()


def test_the_link_opens_the_columns_that_compare_trials_the_best_first(shown: Shown) -> None:
    shown.open_comparison()
    shown.page.get_by_text("standard/finetuning.label_smoothing", exact=True).wait_for()
    shown.page.locator(".ag-root a[href*='/runs/']").nth(24).wait_for()
    headings = shown.page.evaluate(HEADINGS)
    assert headings[: len(COLUMNS)] == COLUMNS
    assert "Sort: selected/valid/bleu" in shown.page.inner_text("body")
    filtered = f"tags.mlflow.parentRunId = '{shown.runs.sweep}'"
    runs = shown.client.search_runs([shown.runs.experiment or ""], filtered)
    values = {run.info.run_id: run.data.metrics.get("selected/valid/bleu") for run in runs}
    rows = shown.page.evaluate(ROWS)
    assert (len(rows), set(rows)) == (25, set(shown.runs.trials.values()))
    known = [value for row in rows if (value := values[row]) is not None]
    assert known == sorted(known, reverse=True)
    # It failed, so it has no score.
    assert (rows[-1], len(known)) == (shown.runs.trials["t0003"], 24)
    cells = shown.page.inner_text(".ag-center-cols-container").split("\n")
    assert {state: cells.count(state) for state in ("complete", "pruned", "failed")} == {
        "complete": 21,
        "pruned": 3,
        "failed": 1,
    }


def test_its_charts_are_drawn_below_their_titles_and_all_others_are_folded(shown: Shown) -> None:
    shown.open_comparison("&compareRunsMode=CHART")
    for drawn in (".js-line", ".barlayer path", ".parcoords"):
        shown.page.locator(drawn).first.wait_for(state="attached")
    shown.page.get_by_text("trial/cost_device_s vs. selected/valid/bleu").wait_for()
    body = re.sub(r"\s+", " ", shown.page.inner_text("body"))
    positions = [body.index(title) for title in SECTIONS]
    assert positions == sorted(positions)
    assert shown.page.get_by_test_id("experiment-view-compare-runs-card").count() == 1 + 2 + 4 + 1
    assert shown.page.locator(".parcoords").count() == 4
    assert shown.page.locator(".barlayer path").count() == 24
    # Straight: of four epochs a curve has four corners, where a smoothed one has bends.
    curves = shown.page.locator(".js-line").evaluate_all("lines => lines.map(line => line.getAttribute('d'))")
    assert len(curves) >= 25
    assert not [curve for curve in curves if re.search("[CQS]", curve)]


def test_a_trial_has_its_machine_s_figures_where_mlflow_looks_for_them(shown: Shown) -> None:
    path = run_path(shown.runs.experiment or "", shown.runs.trials["t0011"])
    shown.open(path.replace("?", "/system-metrics?"))
    shown.page.get_by_text("cpu_memory_peak_mib", exact=True).wait_for()


def test_the_sweep_s_page_links_to_it_and_shows_none_of_the_mirror_s_own_tags(shown: Shown) -> None:
    shown.open(run_path(shown.runs.experiment or "", shown.runs.sweep or ""))
    link = shown.page.get_by_text("All trials, prepared for comparison")
    link.wait_for()
    body = shown.page.inner_text("body")
    assert "Metrics (0)" in body
    assert "question" in body
    assert "intelligen.leaderboard" not in body
    with shown.page.expect_popup() as opened:
        link.click()
    opened.value.get_by_text("standard/finetuning.label_smoothing", exact=True).wait_for()
    opened.value.close()


def test_the_experiment_s_description_links_to_it(shown: Shown) -> None:
    shown.open(f"/#/experiments/{shown.runs.experiment}/runs?workflowType=machine_learning")
    link = shown.page.get_by_text("small: prepared comparison")
    link.wait_for()
    assert str(shown.runs.view) in (link.get_attribute("href") or "")
