"""A sweep is ranked, compared, reported and exported by the metric of its objective, and shows BLEU beside it."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sacrebleu.metrics import BLEU, CHRF
from small_study import SmallStudy

from intelligen.analysis.strategy_table import strategy_table
from intelligen.analysis.study import BASELINE
from intelligen.cli.main import commands
from intelligen.config.schema.tasks import Translation
from intelligen.evaluation import interval
from intelligen.evaluation.sacrebleu_metrics import ChrF
from intelligen.reporting.html.comparison_page import Compared, incomparable, page_comparison_table
from intelligen.reporting.html.difference_figures import forest_plot
from intelligen.reporting.html.plot_styles import marks
from intelligen.reporting.html.score_figures import score_figures
from intelligen.reporting.html.write_report import read_compared, study_page
from intelligen.reporting.terminal.results_table import markdown_table
from intelligen.state.trial_result import TRIAL
from intelligen.tracking.comparison_view import ComparedSettings, comparison_state
from intelligen.training.scores_file import read_scores
from intelligen.training.trained_model import present_bounds

JOINED = ("intelligen",)
"""What it writes is the best by chrF and the worst by BLEU."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("ranking") / "runs"
    for name in ("bleu", "chrf", "loss"):
        SmallStudy(runs, name=name, objective=f"valid/{name}", joined=JOINED).write()
    return runs


def compared(store: Path, name: str) -> Compared:
    return read_compared(store / "sweeps" / name, store=store)


def test_the_answer_ranks_by_the_objectives_metric(store: Path) -> None:
    by_bleu, by_chrf = compared(store, "bleu").answer, compared(store, "chrf").answer
    assert by_chrf.sentence.startswith("intelligen wins: as configured here, it beats its own control standard_matched")
    assert " chrF (between " in by_chrf.sentence
    assert "BLEU says the opposite: intelligen -" in by_chrf.sentence
    assert "chrF says the opposite: intelligen +" in by_bleu.sentence
    assert by_chrf.sentence.count("BLEU") == 2
    assert by_bleu.sentences[0] == "No strategy is shown to win."
    assert by_bleu.sentences[1].startswith("intelligen, as configured here, is worse than its own control")
    assert " BLEU (between " in by_bleu.sentences[1]
    assert by_bleu.notes == by_chrf.notes


def test_its_numbers_interval_and_signature_are_the_metrics_own(store: Path) -> None:
    found = compared(store, "chrf")
    study, chrf, bleu = found.study, CHRF(), BLEU()
    references = study.test_sets["test"].references
    (row,) = (row for row in found.primary if row.score.system == "intelligen")
    texts = [decoded.hypotheses for system in study.systems[-1:] for decoded in system.of(study.primary).values()]
    means = [sum(one.corpus_score(text, [references]).score for text in texts) / 3 for one in (chrf, bleu)]
    values = row.values()
    assert [values["chrf"], values["bleu"]] == pytest.approx(means)
    assert values["chrf_low"] < values["chrf"] < values["chrf_high"]
    assert values["signature"] == str(chrf.get_signature())
    assert {"bleu_low", "bleu_per_device_hour"}.isdisjoint(values)
    assert values["chrf_per_device_hour"] == pytest.approx(values["chrf"] / values["device_hours"])
    control = next(row for row in found.primary if row.score.system == values["control"] == "standard_matched")
    assert values["delta"] == pytest.approx(row.score.mean.value - control.score.mean.value)


def test_the_page_shows_it_and_the_further_score(store: Path) -> None:
    page = study_page(compared(store, "chrf"))
    assert "chrF [95 %]" in page
    assert "chrF is the mean over seeds" in page
    assert "chrF is sacreBLEU&#39;s." in page
    assert "BLEU is the mean over seeds too, and ranks nothing." in page
    assert "BLEU [95 %]" not in page
    assert "Outputs, and other metrics: shown, not tested" in page
    assert "Δ BLEU" in page
    assert "fixed for all models" in page
    found = compared(store, "chrf")
    drawn = marks([system.name for system in found.study.systems if system.name != BASELINE])
    scores = [row.score for row in found.primary]
    figures = [*forest_plot(found.study, scores, drawn), *score_figures(found.study, scores, drawn)]
    titles = ["Δ chrF to its own control", "chrF, test", "BLEU by length of the reference, test"]
    assert [figure.title for figure in figures] == titles


def test_the_exports_have_its_columns(store: Path, tmp_path: Path) -> None:
    files = {form: tmp_path / f"out.{form}" for form in ("csv", "latex", "markdown")}
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    CliRunner().invoke(commands, ["export", "chrf", *options, "--runs", str(store)], catch_exceptions=False)
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    assert {"chrf", "chrf_low", "chrf_high", "bleu", "chrf_per_device_hour"} <= rows[0].keys()
    heading = files["markdown"].read_text().splitlines()[0]
    assert heading.startswith("| strategy | test set | search | chrF | BLEU | its control | difference to it |")
    assert heading.endswith("| device-hours |")
    assert "& chrF & BLEU & its control & difference to it &" in files["latex"].read_text()
    document = CliRunner().invoke(commands, ["export", "chrf", "--json", "--runs", str(store)]).output
    assert json.loads(document)["metric"] == "chrf"


def test_the_table_shows_its_test_scores_with_their_intervals(store: Path) -> None:
    study = compared(store, "chrf").study
    scores = Translation(selection_metric="valid/chrf").reported_scores
    records = {member.record.id: member.record for member in study.members}
    table = markdown_table(
        strategy_table(study.directory, records, metric="valid/chrf"), objective="valid/chrf", scores=scores
    )
    heading = table.splitlines()[0]
    assert "| valid/chrf | seeds | test/chrf | test-greedy/chrf | test/bleu | test-greedy/bleu |" in heading
    # The search's best by chrF, with the means over seeds of both scores.
    (row,) = (line for line in table.splitlines() if line.startswith("| intelligen |"))
    assert row.count(" to ") == 4


def test_mlflows_prepared_comparison_sorts_and_shows_it() -> None:
    metrics = [f"{split}/{name}" for split in ("valid", "selected/valid", "test") for name in ("bleu", "chrf", "loss")]
    task = Translation(selection_metric="valid/chrf")
    state = comparison_state("p1", ["valid/chrf"], ComparedSettings((), {}), task=task, metrics=metrics)
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`selected/valid/chrf`", False)
    columns = [name for name in state["selectedColumns"] if name.startswith("metrics")]
    shown = ("selected/valid/chrf", "test/chrf", "test/bleu", "selected/valid/bleu", "selected/valid/loss")
    assert columns[: len(shown)] == [f"metrics.`{name}`" for name in shown]


def test_a_sweep_that_chose_by_the_loss_ranks_by_bleu_and_says_so(store: Path) -> None:
    by_bleu, by_loss = compared(store, "bleu"), compared(store, "loss")
    assert by_loss.answer.sentence == by_bleu.answer.sentence
    assert "the search chose by valid/loss, the test sets rank by BLEU" in by_loss.answer.notes
    assert "the search chose by valid/loss, the test sets rank by BLEU" in study_page(by_loss)
    assert [row.values()["bleu"] for row in by_loss.rows] == [row.values()["bleu"] for row in by_bleu.rows]


def test_sweeps_that_rank_by_other_metrics_are_not_compared_and_keep_their_columns(store: Path) -> None:
    sweeps = [compared(store, name) for name in ("bleu", "chrf")]
    assert "bleu and chrf rank by different metrics: BLEU and chrF" in incomparable(sweeps)
    table = page_comparison_table(sweeps)
    columns = {heading: number for number, heading in enumerate(table.headings)}
    assert {"BLEU [95 %]", "chrF [95 %]"} <= columns.keys()
    assert len(columns) == len(table.headings)
    for row in table.rows:
        known = {heading for heading in ("BLEU [95 %]", "chrF [95 %]") if row[columns[heading]].text != "–"}
        assert known == {"BLEU [95 %]" if row[1].text == "bleu" else "chrF [95 %]"}


def test_a_sweep_of_an_earlier_revision_without_intervals_of_its_metric_is_ranked_by_it(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", objective="valid/chrf", joined=JOINED)
    whole = read_compared(files.write(), store=files.store)
    references = whole.study.test_sets["test"].references
    for path in files.directory.glob("confirm/*/scores/*.json"):
        stored = json.loads(path.read_text())
        found = read_scores(path).intervals["chrf"]
        assert found == interval(stored["hypotheses"], references, metric=ChrF(), resamples=20)
        del stored["chrf"]
        path.write_text(json.dumps(stored))
    without = read_compared(files.directory, store=files.store)
    assert without.answer == whole.answer
    assert [row.values() for row in without.rows] == [row.values() for row in whole.rows]


def test_a_sweep_that_goes_on_gets_the_intervals_of_its_metric(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", objective="valid/chrf", joined=JOINED)
    study = read_compared(files.write(), store=files.store).study
    (record,) = (member.record for member in study.members if member.record.id == "intelligen-s2")
    directory = files.directory / record.directory
    (directory / TRIAL).write_text(json.dumps(record.config))
    bounds = ("chrf_low", "chrf_high")
    for path in (directory / "scores").iterdir():
        stored = json.loads(path.read_text())
        del stored["chrf"]
        stored["metrics"] = {name: value for name, value in stored["metrics"].items() if not name.endswith(bounds)}
        path.write_text(json.dumps({**stored, "resamples": 1000}))
    recorded = {name: value for name, value in record.scores.items() if not name.endswith(bounds)}
    found = present_bounds(directory, recorded, store=files.store)
    assert found.keys() == {f"{split}/{bound}" for split in ("test", "test-greedy") for bound in bounds}
    for path in (directory / "scores").iterdir():
        now, name = read_scores(path), "test" if path.stem == "test-beam" else "test-greedy"
        assert now.intervals.keys() == {"bleu", "chrf"}
        assert now.metrics["test/chrf_low"] == now.intervals["chrf"].low == found[f"{name}/chrf_low"]
    assert present_bounds(directory, {**recorded, **found}, store=files.store) == {}
