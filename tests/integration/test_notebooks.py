"""Notebooks run in a real kernel: progress is shown in place, and the shipped notebook comes to its end."""

from pathlib import Path
from typing import Any

import pytest
from small_study import SmallStudy
from test_sweep import ON_PROCESSORS, SWEEP, Project

nbformat: Any = pytest.importorskip("nbformat", reason="needs nbclient, nbformat and ipykernel")
nbclient: Any = pytest.importorskip("nbclient", reason="needs nbclient, nbformat and ipykernel")
pytest.importorskip("ipykernel", reason="needs nbclient, nbformat and ipykernel")

FIRST_STUDY = Path(__file__).parents[2] / "docs" / "notebooks" / "first-study.ipynb"

FOLLOWED = """
import threading
from pathlib import Path
from intelligen.api import _reporter

directory = Path({directory!r})
ledger = directory / "ledger.jsonl"
whole = ledger.read_text()
ledger.write_text("".join(whole.splitlines(keepends=True)[:-4]))
with _reporter().following(directory, objective="valid/bleu", metrics=[]) as progress:
    ledger.write_text(whole)
    progress._update()
    elsewhere = threading.Thread(target=progress._update)
    elsewhere.start()
    elsewhere.join()
"""


def executed(notebook: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The HTML that its cells show at the end, in order; what fails in a cell fails here."""
    monkeypatch.setenv("INTELLIGEN_RUNS", str(place / "runs"))
    monkeypatch.setenv("INTELLIGEN_LOCAL", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(place)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]


@pytest.mark.slow
def test_progress_is_brought_up_to_date_in_the_cell_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = SmallStudy(tmp_path / "runs", confirm=False)
    study.write()
    code = FOLLOWED.format(directory=str(study.directory))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    (shown,) = executed(notebook, tmp_path, monkeypatch)
    assert "12 of 12 trials" in shown


@pytest.mark.slow
def test_a_run_keeps_its_bar_and_what_was_shown_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, SWEEP.replace("trials_per_strategy: 3", "trials_per_strategy: 1"))
    project.train_baseline()
    code = f"""
print("before")
from intelligen import load_sweep, run
run(load_sweep("sweep.yaml", {[*ON_PROCESSORS[1::2]]}))
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    bar, *_ = executed(notebook, tmp_path, monkeypatch)
    assert "max='2' value='2'" in bar
    assert notebook.cells[0].outputs[0]["text"].startswith("before")


@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.timeout(3600)
def test_the_first_study_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed(nbformat.read(FIRST_STUDY, as_version=4), tmp_path, monkeypatch)
    assert "Does training on the model" in shown[0]
    assert any("max='4' value='4'" in html for html in shown)
    assert any("generative_position" in html and "dataframe" in html for html in shown)
    assert (tmp_path / "runs" / "sweeps" / "first-study" / "report.html").exists()
