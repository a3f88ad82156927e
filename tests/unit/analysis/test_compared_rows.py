"""Rows of a sweep: what they are held against, and what people and MLflow read for them."""

from pathlib import Path

import pytest
from small_rows import SmallRows
from small_study import SmallStudy

from intelligen.analysis.chance_level import Chance
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.row_measures import RowMeasures
from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError
from intelligen.reporting.html.write_report import read_compared
from intelligen.state.trial_records import TrialRecord
from intelligen.tracking.comparison_view import ComparedSettings, comparison_state
from intelligen.tracking.mlflow_mapping import Ending, trial_tags


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> ComparedRows:
    return ComparedRows.of(load_sweep(SmallRows(tmp_path_factory.mktemp("rows") / "runs").files())[0])


def record(row: str) -> TrialRecord:
    return TrialRecord("t0", "trial", row, 1, {"row": row}, {"strategy": {"name": "auxiliary"}}, "t0", 0, 0)


def test_variants_have_one_control_and_strategies_those_that_they_declare(variants: ComparedRows) -> None:
    assert variants.controls_of("pre-20.lm-0") == ("pre-0.lm-0",)
    assert variants.controls_of("pre-0.lm-0") == ()
    assert ComparedRows().controls_of("generative") == ("standard", "standard_matched")


def test_strategies_may_have_another_control_and_keep_theirs_beside_it() -> None:
    rows = ComparedRows(control="standard_matched")
    assert rows.controls_of("generative") == ("standard_matched", "standard")
    assert rows.controls_of("auxiliary") == ("standard_matched", "standard")
    assert rows.controls_of("standard_matched") == ()


def test_what_is_asked_about_is_no_control_and_has_a_control_of_equal_cost_where_the_sweep_has_one() -> None:
    rows, names = ComparedRows(), ("standard", "standard_matched", "auxiliary", "seqgan", "seqgan_constant")
    assert rows.asked(names) == ("auxiliary", "seqgan")
    assert [rows.own_control(name, names) for name in ("auxiliary", "seqgan")] == ["standard", "standard_matched"]
    assert rows.own_control("seqgan", ("standard", "seqgan")) == "standard"
    assert rows.further_controls("seqgan", names) == ("standard", "seqgan_constant")
    assert rows.further_controls("auxiliary", names) == ()


def test_another_control_of_strategies_is_what_differences_and_the_answer_are_against(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", more="rows: {strategies: {control: standard_matched}}\n")
    compared = read_compared(files.write(), store=files.store)
    scores = {row.score.system: row.score for row in compared.primary}
    assert (scores["standard_matched"].own, scores["standard"].own) == (None, None)
    assert scores["intelligen"].own is not None
    assert scores["intelligen"].own.control == "standard_matched"
    assert list(scores["intelligen"].beside) == ["standard"]


def test_a_ledger_of_a_sweep_knows_the_same_rows(tmp_path: Path) -> None:
    files = SmallRows(tmp_path / "runs", seeds=())
    sweep, _ = load_sweep(files.files())
    recorded = ComparedRows.recorded({"sweep": sweep.model_dump(mode="json")})
    assert recorded == ComparedRows.of(sweep)
    assert ComparedRows.recorded({"sweep": {}}) == ComparedRows()


def test_mlflow_tags_variants_by_row_label_and_axes_and_strategies_as_before(variants: ComparedRows) -> None:
    ending = Ending("RUNNING", "running", None, None)
    tags = trial_tags(record("pre-20.lm-0.5"), [], ending=ending, compared=variants)
    assert {name: tags[name] for name in ("row", "row_label", "axis/pre", "axis/lm", "strategy")} == {
        "row": "pre-20.lm-0.5",
        "row_label": "gpt-pre:20-lm:0.5",
        "axis/pre": "20",
        "axis/lm": "0.5",
        "strategy": "auxiliary",
    }
    assert trial_tags(record("standard"), [], ending=ending, compared=ComparedRows()).keys() == {
        *("strategy", "seed", "attempts", "state")
    }


def test_mlflows_view_of_variants_has_their_labels_axes_and_the_tasks_metrics(tmp_path: Path) -> None:
    sweep, experiment = load_sweep(SmallRows(tmp_path / "runs").files())
    metrics = ["selected/valid/accuracy", "selected/valid/macro_f1", "test/accuracy"]
    settings = ComparedSettings.of([record("pre-0.lm-0")])
    state = comparison_state(
        "p", ["valid/accuracy"], settings, task=experiment.task, metrics=metrics, compared=ComparedRows.of(sweep)
    )
    columns = state["selectedColumns"]
    assert columns[:4] == ["tags.`row_label`", "tags.`axis/pre`", "tags.`axis/lm`", "tags.`state`"]
    assert "metrics.`test/accuracy`" in columns
    assert not [name for name in columns if "strategy" in name or "bleu" in name]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{pre-1.lm-0: {accuracy: 83.09}}", "published.rows.pre-1.lm-0: is no row; there are pre-0.lm-0, "),
        (
            "{pre-0.lm-0: {bleu: 20.0}}",
            "published.rows.pre-0.lm-0.bleu: is no result of classification; there are accu",
        ),
    ],
)
def test_published_figures_of_unknown_rows_or_results_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    files = SmallRows(tmp_path / "runs", published=f"published: {{note: theirs, rows: {rows}}}\n")
    with pytest.raises(ConfigError) as caught:
        load_sweep(files.files())
    assert f"rows.yaml:16: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "accuracy", "learnt"),
    [(0.693, 90.0, False), (0.68, 90.0, False), (0.6, 90.0, True), (0.6, 50.5, False), (0.1, 48.0, False)],
)
def test_a_row_at_chances_loss_or_accuracy_has_not_learnt(loss: float, accuracy: float, learnt: bool) -> None:
    measures = RowMeasures(("3",), 3, loss, {}, {"accuracy": accuracy})
    assert bool(Chance(classes=2, share=0.5, rows=10_000).verdict(measures)) is not learnt
