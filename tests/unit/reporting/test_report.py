"""The report is one file with every number of the study, what others wrote in it escaped."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sacrebleu.metrics import BLEU
from small_study import SmallStudy

from intelligen.reporting.html.comparison_page import comparison_page, incomparable
from intelligen.reporting.html.sample_translations import sample_rows, word_differences
from intelligen.reporting.html.write_report import read_compared, write_report
from intelligen.reporting.terminal.comparison_table import comparison_table
from intelligen.state.mlflow_run_ids import RUN_IDS_FILE, RunIds, write_run_ids

ATTACK = "<script>alert('x')</script> & \"<b>"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    study = SmallStudy(tmp_path_factory.mktemp("report") / "runs", hypothesis=ATTACK)
    study.write()
    return study


@pytest.fixture(scope="module")
def page(files: SmallStudy) -> str:
    return write_report(files.directory, store=files.store).read_text(encoding="utf-8")


def rows(page: str, table: int) -> dict[str, list[str]]:
    """First cell → the others, of the page's table of that number."""
    body = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)[table]
    body = re.sub(r"</?small>", "", body)
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in body.split("<tr>")[1:]]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.parametrize(("table", "search"), [(0, "beam"), (1, "greedy")])
def test_scores_are_those_of_the_stored_hypotheses(files: SmallStudy, page: str, table: int, search: str) -> None:
    bleu = BLEU()
    for system in ("standard", "intelligen"):
        scores = []
        for seed in (2, 3, 4):
            stored = files.directory / "confirm" / f"{system}-s{seed}" / "scores" / f"test-{search}.json"
            hypotheses = json.loads(stored.read_text())["hypotheses"]
            scores.append(bleu.corpus_score(hypotheses, [files.references]).score)
        cells = rows(page, table)[system]
        assert cells[0].startswith(f"{sum(scores) / 3:.2f} [")
        assert cells[5 if table == 0 else -1] == "2, 3, 4"


def test_costs_are_over_all_trials_of_a_strategy(page: str) -> None:
    # Four trials, one of which was stopped after two epochs of four, and three repetitions: 26 epochs of 22 s.
    cells = rows(page, 0)["intelligen"]
    assert cells[6:10] == ["20.0 s", "302 MiB CPU", "354 MiB CPU", f"{26 * 22 / 3600:.3g}"]


def test_what_a_model_says_cannot_act(page: str) -> None:
    assert "<script>alert" not in page
    assert "alert" in page
    assert page.count("</script>") == 4


def test_every_trial_is_named_with_where_its_files_and_its_run_are(files: SmallStudy, page: str) -> None:
    ledger = (files.directory / "ledger.jsonl").read_text().splitlines()
    sweep_id = json.loads(ledger[0])["header"]["sweep_id"]
    assert f"tags.sweep_id = &#39;{sweep_id}&#39;" in page
    table = rows(page, 3)
    started = [json.loads(line)["trial"] for line in ledger if '"start"' in line]
    assert {name: cells[-1] for name, cells in table.items()} == {one["id"]: one["directory"] for one in started}
    runs = {one["id"]: f"run-of-{one['id']}" for one in started[1:]}
    write_run_ids(files.directory, RunIds("7", "run-of-the-sweep", runs))
    html = write_report(files.directory, store=files.store).read_text(encoding="utf-8")
    assert {name: cells[-2] for name, cells in rows(html, 3).items()} == {started[0]["id"]: "–"} | runs
    assert "Run run-of-the-sweep of experiment 7" in html
    (files.directory / RUN_IDS_FILE).unlink()


def test_the_same_files_make_the_same_report(files: SmallStudy, page: str, tmp_path: Path) -> None:
    again = tmp_path / "again.html"
    command = [
        Path(sys.executable).with_name("intelligen"),
        "report",
        "small",
        "--runs",
        files.store,
        "--output",
        again,
    ]
    subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    assert again.read_text(encoding="utf-8") == page


def test_nothing_in_the_page_leads_outside(page: str) -> None:
    without_plotly = re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", without_plotly)
    assert "@import" not in without_plotly
    assert "default-src 'none'" in without_plotly


def test_it_is_written_of_a_sweep_that_was_not_confirmed_and_of_one_that_was_not_tested(tmp_path: Path) -> None:
    plain = SmallStudy(tmp_path / "runs", confirm=False)
    plain.write()
    assert "nothing is confirmed" in write_report(plain.directory, store=plain.store).read_text()
    for scores in [*plain.directory.glob("trials/*/scores/*"), *plain.store.glob("baselines/*/scores/*")]:
        scores.unlink()
    untested = write_report(plain.directory, store=plain.store).read_text()
    assert "No test set has been decoded yet" in untested
    assert "valid/bleu while training" in untested


def test_sample_sentences_are_chosen_by_number_alone() -> None:
    assert sample_rows(30) == [2, 7, 12, 17, 22, 27]
    assert sample_rows(3) == [0, 1, 2]
    assert sample_rows(1000)[0] == 83


def test_differences_are_reported_word_by_word() -> None:
    pieces = word_differences("Der Hund bellt laut.", "Der Hund schläft.")
    assert [(piece.text, piece.kind) for piece in pieces] == [
        ("Der Hund", "same"),
        ("bellt laut", "other"),
        ("schläft", "missing"),
        (".", "same"),
    ]
    assert word_differences("", "Ja") == word_differences(" ", "Ja")
    assert [piece.kind for piece in word_differences("", "Ja")] == ["missing"]


def test_sweeps_stand_beside_each_other_and_what_does_not_compare_is_said(files: SmallStudy, tmp_path: Path) -> None:
    one = read_compared(files.directory, store=files.store)
    again = SmallStudy(files.store, name="again")
    again.write()
    other = read_compared(again.directory, store=files.store)
    assert incomparable([one, other]) == []
    decoding = {**other.study.fingerprint["experiment"]["decoding"], "test": {"name": "beam", "size": 12}}
    wider = replace(
        other, study=replace(other.study, fingerprint={**other.study.fingerprint, "experiment": {"decoding": decoding}})
    )
    (line,) = incomparable([one, wider])
    assert "have different searches" in line
    assert "size 12" in line
    table = comparison_table([one, other])
    place = [column.heading for column in table.columns].index("BLEU [95 %]")
    assert all(re.fullmatch(r"\d+\.\d\d\n\[\d+\.\d\d, \d+\.\d\d\]", row[place]) for row in table.rows)
    for width in (80, 100, 140):
        console = Console(file=StringIO(), width=width, record=True)
        console.print(table)
        assert "…" not in console.export_text()
    text = comparison_page([one, other])
    assert "Between sweeps nothing is tested" in text
    assert "small · again" in text
