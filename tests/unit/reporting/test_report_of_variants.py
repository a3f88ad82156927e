"""A sweep of variants is reported in its own words: labels, axes, its control, and what did not learn or failed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from small_rows import QUALITY, SmallRows

from intelligen import api
from intelligen.analysis.status import read_status
from intelligen.analysis.strategy_table import strategy_table
from intelligen.analysis.sweep_results import TableWords
from intelligen.cli.main import commands
from intelligen.reporting.export import to_latex, to_markdown
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.write_report import read_compared, report_figures, study_page
from intelligen.reporting.static_figures import draw
from intelligen.reporting.terminal.results_table import markdown_table
from intelligen.reporting.terminal.status_view import status_view
from intelligen.state.sweep_files import SweepFiles

PUBLISHED = "published: {note: one seed each, rows: {pre-0.lm-0: {accuracy: 83.09}}}"


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> SmallRows:
    files = SmallRows(tmp_path_factory.mktemp("confirmed") / "runs", unlearnt=["pre-0.lm-0.5"], published=PUBLISHED)
    files.write()
    return files


@pytest.fixture(scope="module")
def compared(confirmed: SmallRows) -> Compared:
    return read_compared(confirmed.directory, store=confirmed.store)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """One seed; a row at chance by its test accuracy, another that failed."""
    quality = {"pre-0.lm-0": 0.5, "pre-0.lm-0.5": 0.75, "pre-20.lm-0": 0.95, "pre-20.lm-0.5": 0.9}
    files = SmallRows(tmp_path_factory.mktemp("single") / "runs", seeds=(), quality=quality, failed=["pre-20.lm-0.5"])
    files.write()
    return read_compared(files.directory, store=files.store)


def cells(table: str) -> dict[str, dict[str, str]]:
    """Row → heading → cell, of Markdown."""
    lines = [line.strip("| \n").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def markdown(one: Compared) -> dict[str, dict[str, str]]:
    return cells(to_markdown(one.records, one.study.task.reported, one.study.compared))


def test_differences_and_the_answer_are_against_the_sweeps_own_control(compared: Compared) -> None:
    by_row = {row.score.system: row for row in compared.primary}
    assert by_row["pre-0.lm-0"].score.difference is None
    found = {name: row.values() for name, row in by_row.items() if name != "pre-0.lm-0"}
    assert {row["control"] for row in found.values()} == {"pre-0.lm-0"}
    assert {row["verdict"] for row in found.values()} <= {"better", "worse", "open"}
    assert all(row["p_value"] is not None for row in found.values())
    assert "gpt-pre:0-lm:0" in compared.answer.sentence


def test_a_row_has_its_label_axes_epoch_losses_scores_and_difference(compared: Compared) -> None:
    row = markdown(compared)["gpt-pre:20-lm:0"]
    assert (row["item"], row["pre"], row["lm"], row["epoch"]) == ("gpt-pre:20-lm:0", "20", "0", "2")
    assert (row["train loss"], row["valid loss"], row["test loss"]) == ("0.147", "0.347", "0.500")
    assert row["valid accuracy in %"] == "95.30"
    assert row["test accuracy in % [95 %]"].startswith("95.17 [")
    assert row["Δ to gpt-pre:0-lm:0 [95 %]"].startswith("+25.17 [")
    assert 0 < float(row["p"]) <= 1
    assert row["parameters"] == "14,754"
    assert "training FLOPs" not in row  # of a classification, which counts no tokens


def test_nothing_is_compared_where_nothing_is_confirmed(single: Compared) -> None:
    assert single.answer.sentence.startswith("No row is ranked: nothing is confirmed")
    assert {(row["Δ to gpt-pre:0-lm:0 [95 %]"], row["p"]) for row in markdown(single).values()} == {("–", "–")}


def test_a_row_that_learnt_nothing_says_so_in_the_table_and_the_answer(compared: Compared) -> None:
    said = "did not learn: train loss 0.693 after 3 epochs, chance"
    notes = {label: row["note"] for label, row in markdown(compared).items()}
    assert [label for label, note in notes.items() if note != "–"] == ["gpt-pre:0-lm:0.5"]
    assert notes["gpt-pre:0-lm:0.5"] == said
    assert f"gpt-pre:0-lm:0.5: {said}" in compared.answer.notes
    assert said in study_page(compared)


def test_a_row_whose_accuracy_cannot_be_told_from_chance_is_not_said_to_have_learnt_nothing(single: Compared) -> None:
    assert markdown(single)["gpt-pre:0-lm:0"]["note"].startswith("not above chance: test accuracy ")
    assert markdown(single)["gpt-pre:0-lm:0.5"]["note"] == "–"


def test_a_row_that_failed_stands_in_the_table_with_its_reason(single: Compared) -> None:
    row = markdown(single)["gpt-pre:20-lm:0.5"]
    assert row["note"] == "failed: its loss was nan"
    assert row["test accuracy in % [95 %]"] == "–"
    assert "failed: its loss was nan" in study_page(single)


def test_published_figures_stand_beside_ours_with_their_note(compared: Compared) -> None:
    metrics, rows = compared.study.task.reported, compared.study.compared
    assert markdown(compared)["gpt-pre:0-lm:0"]["published accuracy in %"] == "83.09"
    assert "one seed each" in to_markdown(compared.records, metrics, rows)
    latex = to_latex(compared.records, metrics, rows)
    assert "& 83.09 &" in latex
    assert "Published: one seed each" in latex
    page = study_page(compared)
    assert "published accuracy in %" in page
    assert "Published: one seed each" in page


def test_the_page_has_no_word_of_strategies_or_of_searches_of_text(compared: Compared) -> None:
    page = study_page(compared)
    said = page.partition("<main>")[2].partition('<section id="run">')[0]
    assert "strateg" not in said
    assert "beam" not in said
    assert "target tokens" not in said
    assert "rows trained on" in page
    assert "gpt-pre:20-lm:0.5" in said


def test_figures_by_epoch_have_a_line_for_each_label_and_a_band_for_seeds(confirmed: SmallRows, tmp_path: Path) -> None:
    asked = ["export", "rows", "--runs", str(confirmed.store), "--figures", str(tmp_path / "figures")]
    result = CliRunner().invoke(commands, asked, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    drawn = {
        f"{key}.{form}" for key in ("loss-by-epoch", "accuracy-by-epoch", "differences") for form in ("svg", "png")
    }
    assert drawn <= files
    assert (tmp_path / "figures" / "accuracy-by-epoch.png").read_bytes().startswith(b"\x89PNG")
    page = study_page(read_compared(confirmed.directory, store=confirmed.store))
    figures = json.loads(page.partition('id="figures">')[2].partition("</script>")[0])
    lines = [trace for trace in figures["accuracy-by-epoch"]["data"] if trace.get("fill") is None]
    bands = [trace for trace in figures["accuracy-by-epoch"]["data"] if trace.get("fill") == "toself"]
    assert [line["name"] for line in lines] == [f"gpt-pre:{pre}-lm:{lm}" for pre in ("0", "20") for lm in ("0", "0.5")]
    assert len(bands) == len(lines)
    assert lines[2]["y"][1] == pytest.approx(95.3)


def test_a_legend_stands_beside_its_figure_and_is_not_looked_a_place_for(confirmed: SmallRows) -> None:
    figures = report_figures(read_compared(confirmed.directory, store=confirmed.store))
    (curves,) = (draw(figure) for figure in figures if figure.key == "accuracy-by-epoch")
    assert curves.axes[0].get_legend() is None
    assert [text.get_text() for text in curves.legends[0].get_texts()][2] == "gpt-pre:20-lm:0"


def test_terminal_table_and_status_have_the_rows_word_label_and_axes(confirmed: SmallRows, compared: Compared) -> None:
    records = {member.record.id: member.record for member in compared.study.members}
    words = TableWords.of(compared.study.sweep, compared.study.task)
    found = strategy_table(confirmed.directory, records, metric="valid/accuracy")
    table = markdown_table(found, objective="valid/accuracy", scores=("accuracy",), words=words)
    row = cells(table.partition("\n\n")[0])["gpt-pre:20-lm:0.5"]
    assert (row["pre"], row["lm"], row["× gpt-pre:0-lm:0"]) == ("20", "0.5", "1.00")
    assert table.startswith("| item |")
    assert "strateg" not in table
    status, terminal = read_status(SweepFiles(confirmed.directory)), StringIO()
    Console(file=terminal, width=200).print(status_view(status))
    (line,) = (line for line in terminal.getvalue().splitlines() if line.startswith("gpt-pre:20-lm:0.5"))
    assert line.split()[1:3] == ["20", "0.5"]
    # A classification's losses are sums over rows.
    assert " rows\n" in terminal.getvalue().replace(" \n", "\n")
    assert "tokens" not in terminal.getvalue()
    assert "words" not in status.document()


def test_status_lists_rows_in_the_files_order_whichever_ran_first(tmp_path: Path) -> None:
    files = SmallRows(tmp_path / "runs", seeds=(), ran=list(QUALITY)[::-1])
    assert [row.strategy for row in read_status(SweepFiles(files.write())).strategies] == list(QUALITY)


def test_programs_get_the_id_the_label_and_the_axes_of_each_row(confirmed: SmallRows) -> None:
    frame = api.results("rows", runs=confirmed.store)
    assert frame.loc["t0002", ["row", "label", "axis/pre", "axis/lm"]].tolist() == [
        "pre-20.lm-0",
        "gpt-pre:20-lm:0",
        "20",
        "0",
    ]
    whole = api.compare(["rows"], runs=confirmed.store)
    assert whole.index.names == ["sweep", "row", "test_set", "search"]
    assert whole.loc[("rows", "pre-20.lm-0", "test", ""), "train/loss"] == pytest.approx(0.147)
