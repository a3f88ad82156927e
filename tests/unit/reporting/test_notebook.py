"""A notebook shows a sweep, its plan, its progress and its results as HTML, and nothing in them can act."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from small_study import SmallStudy

import intelligen
from intelligen.analysis.html_blocks import html_table
from intelligen.analysis.strategy_table import strategy_table
from intelligen.analysis.sweep_results import SweepResults
from intelligen.api import LoadedSweep
from intelligen.errors import ConfigError
from intelligen.reporting.html.write_report import read_compared, report_figures
from intelligen.reporting.notebook.notebook_reporter import NotebookReporter
from intelligen.reporting.notebook.sweep_progress import NotebookProgress, progress_html
from intelligen.state.sweep_files import SweepFiles
from intelligen.sweep.preflight.plan_html import plan_html


class Shown:
    """A notebook's output: what each place showed, one after the other."""

    def __init__(self) -> None:
        self.places: list[list[str]] = []

    def __call__(self, html: str) -> "Shown.Place":
        self.places.append([html])
        return Shown.Place(self.places[-1])

    class Place:
        def __init__(self, shown: list[str]) -> None:
            self._shown = shown

        def update(self, html: str) -> None:
            self._shown.append(html)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    files = SmallStudy(tmp_path_factory.mktemp("notebook") / "runs", confirm=False)
    files.write()
    return files


def test_the_main_results_fit_on_a_page_and_a_baseline_is_no_strategy(study: SmallStudy) -> None:
    frame = intelligen.results("small", runs=study.store)
    assert list(frame.columns) == [
        *("kind", "strategy", "settings", "seed", "state", "valid/bleu", "test/bleu", "device_s")
    ]
    assert set(frame.groupby("strategy").groups) == {"baseline", *study.strategies}
    assert frame.loc["baseline-1", ["strategy", "settings"]].tolist() == ["baseline", ""]
    assert "learning_rate 0.00138" in frame.loc["t0007", "settings"]
    everything = intelligen.results("small", runs=study.store, columns="all")
    assert {"attempts", "valid/exposure_gap", "param/finetuning.optimizer.learning_rate"} <= set(everything.columns)
    assert everything.loc["baseline-1", "strategy"] == "baseline"
    with pytest.raises(ConfigError, match='columns: must be one of "main", "all", got "everything"'):
        intelligen.results("small", runs=study.store, columns="everything")


def test_figures_are_those_of_the_report(study: SmallStudy) -> None:
    found = intelligen.figures("small", runs=study.store)
    shown = report_figures(read_compared(study.directory, store=study.store))
    assert list(found) == [one.key for one in shown]
    assert found["score-and-cost"].layout.title.text == "BLEU and cost, test"


def test_progress_is_a_bar_and_a_table_of_the_latest_trials(study: SmallStudy) -> None:
    html = progress_html(SweepFiles(study.directory))
    assert "<b>small</b>: 12 of 12 trials" in html
    assert "max='12' value='12'" in html
    assert html.count("<tr>") == 1 + 12
    assert "learning_rate 0.00065, updates_ratio 2" in html
    assert "pruned" in html


def test_progress_is_shown_once_and_updated_where_something_is_new(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", confirm=False)
    files.write()
    ledger = files.directory / "ledger.jsonl"
    whole = ledger.read_text()
    started = [line for line in whole.splitlines(keepends=True) if '"end"' not in line]
    shown = Shown()
    ledger.write_text("".join(whole.splitlines(keepends=True)[:-4]))
    with NotebookProgress(files.directory, show=shown, interval_s=60):
        ledger.write_text(whole)
    (place,) = shown.places
    assert len(started) > 12
    assert len(place) == 2
    assert "12 of 12 trials" in place[-1]
    assert "12 of 12 trials" not in place[0]


def test_a_launch_shows_its_table_in_the_cell_and_prints_its_lines(
    study: SmallStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Shown()
    reporter = NotebookReporter(Console(), show=shown)
    reporter.say("report   [a long] line")
    trials = SweepFiles(study.directory).ledger()[1]
    rows = strategy_table(study.directory, trials, metric="valid/bleu")
    reporter.show(SweepResults("which?", ["valid/bleu"], ["bleu"], rows, (), notes=["a <note>"]))
    assert capsys.readouterr().out == "report   [a long] line\n"
    html = "".join(text for place in shown.places for text in place)
    assert all(name in html for name in study.strategies)
    assert "a &lt;note&gt;" in html


def test_a_sweep_and_its_plan_are_tables(study: SmallStudy) -> None:
    html = LoadedSweep(*study.settings())._repr_html_()
    assert "Does a mixture of strategies beat more teacher forcing?" in html
    assert "trials_per_strategy: 4" in html
    span = {"low": 60.0, "high": 90.0}
    cost = {"baseline_s": {"low": 0, "high": 0}, "search_s": span, "confirm_s": span, "device_hours": span}
    settings = {"strategy.name": "standard", "finetuning.optimizer.learning_rate": 0.00042}
    trial = {"strategy": "standard", "settings": settings, "refused": None, "seconds": span}
    document = {
        "sweep": {"name": "small"},
        "place": "this machine",
        "devices": "2 processors",
        "cost": cost,
        "based_on": "updates",
    }
    lists = {"trials": [trial], "power": ["3 seeds find 1 BLEU"], "warnings": ["a <b>warning</b>"], "refusal": None}
    shown = plan_html({**document, **lists, "no_cost": None})
    assert "learning_rate 0.00042" in shown
    assert "1.0 to 1.5 min" in shown
    assert "baseline" not in shown
    assert "a &lt;b&gt;warning&lt;/b&gt;" in shown


def test_no_text_of_others_is_markup() -> None:
    assert "<script>" not in html_table(["<script>"], [["<script>"]], caption="<script>")


def cells(kind: str) -> Sequence[str]:
    path = Path(__file__).parents[3] / "docs" / "notebooks" / "first-study.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_the_notebook_uses_public_names_and_is_stored_without_outputs() -> None:
    code = "\n".join(cells("code"))
    compile(code, "first-study.ipynb", "exec")
    names: dict[str, object] = {}
    exec(next(line for line in code.splitlines() if line.startswith("from intelligen import")), names)  # noqa: S102
    assert {"load_sweep", "plan", "run", "results", "figures"} <= names.keys()
