"""Figures show what the trials had and came to, and no two systems by colour alone."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import EPOCHS, SmallStudy

from intelligen.analysis.study import SeedModel, StudyResults, read_study
from intelligen.reporting.html.effort_figures import expected_best_figures, importance_figures, importance_note
from intelligen.reporting.html.figures import Figure, axes
from intelligen.reporting.html.learning_curves import exposure_curves, learning_curves
from intelligen.reporting.html.parallel_coordinates import parallel_figures
from intelligen.reporting.html.plot_styles import marks
from intelligen.reporting.html.score_figures import exposure_by_position
from intelligen.reporting.html.search_figures import pareto_figure, simplex_figures
from intelligen.reporting.static_figures import write_figures


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    files = SmallStudy(tmp_path_factory.mktemp("figures") / "runs", confirm=False, trials_of={"standard": 24})
    return read_study(files.write(), store=files.store)


def test_systems_differ_in_more_than_their_colour() -> None:
    found = marks([f"strategy {number}" for number in range(30)])
    assert len({(mark.dash, mark.symbol) for mark in found.values()}) == len(found)


def test_importance_is_reported_where_trials_suffice(study: StudyResults) -> None:
    (figure,) = importance_figures(study, marks(study.strategies))
    (bars,) = figure.content.data
    assert figure.key == "importance-standard"
    assert set(bars.y) == {"finetuning.optimizer.learning_rate", "standard/finetuning.label_smoothing"}
    assert sum(bars.x) == pytest.approx(1)
    # One of the 24 was stopped early.
    assert "over 23 trials" in figure.caption
    assert "standard_matched (3), intelligen (3)" in importance_note(study)


def test_expected_best_begins_at_the_mean_and_ends_at_the_best_and_at_what_was_spent(study: StudyResults) -> None:
    by_trials, by_hours, by_tokens = expected_best_figures(study, marks(study.strategies))
    for name, trials in (("standard", 24), ("intelligen", 4)):
        lines = {
            f.key: next(line for line in f.content.data if line.name == name) for f in (by_trials, by_hours, by_tokens)
        }
        members = [member for member in study.searched if member.record.row == name]
        ends = {key: line.x[-1] for key, line in lines.items()}
        assert ends == pytest.approx(
            {
                "expected-trials": trials,
                "expected-device-hours": sum(member.device_s for member in members) / 3600,
                "expected-target-tokens": sum(member.target_tokens for member in members),
            }
        )
        values = sorted(member.value("valid/bleu") or 0 for member in members)
        count = len(values)
        best_of_all = sum(
            value * ((i / count) ** count - ((i - 1) / count) ** count) for i, value in enumerate(values, 1)
        )
        assert lines["expected-trials"].y[0] == pytest.approx(sum(values) / count)
        assert lines["expected-trials"].y[-1] == pytest.approx(best_of_all)


def test_the_triangle_shows_the_weights_that_trained(study: StudyResults) -> None:
    (figure,) = simplex_figures(study, marks(study.strategies))
    (points,) = figure.content.data
    trials = [member for member in study.searched if member.record.row == "intelligen"]
    weights = [member.record.config["strategy"]["policy"]["weights"] for member in trials]
    assert list(points.a) == [one["auxiliary"] for one in weights]
    assert list(points.b) == [one["recurrent"] for one in weights]
    assert list(points.marker.size) == sorted(points.marker.size)


def test_parallel_lines_lie_where_the_values_are_and_a_logarithm_is_one(study: StudyResults) -> None:
    by_key = {figure.key: figure.content for figure in parallel_figures(study, marks(study.strategies))}
    assert by_key.keys() == {"parallel-standard", "parallel-standard_matched", "parallel-intelligen"}
    # The second of 24 trials: 1.5 of 24 parts of the logarithmic range, label smoothing 0.05 of 0.2.
    line = next(one for one in by_key["parallel-standard"].data if one.name == "t0001")
    assert list(line.y[:2]) == pytest.approx([1.5 / 24, 0.25])
    trial = next(member for member in study.searched if member.record.id == "t0029")
    line = next(one for one in by_key["parallel-intelligen"].data if one.name == "t0029")
    weights = trial.record.config["strategy"]["policy"]["weights"]
    assert [text for text in line.text if "weights" in text] == [
        f"weights.{part} = {weights[part]}" for part in ("auxiliary", "recurrent")
    ]
    best = [one.name for one in by_key["parallel-standard"].data if one.opacity == 1.0]
    assert best == [f"t{number:04d}" for number in range(19, 24)]


def test_the_front_is_of_trials_that_ran_their_course(study: StudyResults) -> None:
    figure = pareto_figure(study, marks(study.strategies))
    assert "t0000" not in figure.caption
    assert figure.caption.endswith("t0023, t0031.")


def test_curves_have_a_point_per_epoch_of_every_model(study: StudyResults) -> None:
    lines = learning_curves(study, marks(study.strategies)).content.data
    assert [(line.name, len(line.x)) for line in lines] == [
        (name, EPOCHS) for name in ("standard", "standard_matched", "intelligen")
    ]
    keys = [figure.key for figure in exposure_curves(study, marks(study.strategies))]
    assert keys == ["valid-exposure_gap", "valid-prefix_switch_gap", "valid-repetition_pct", "valid-length_ratio"]


def test_a_figure_without_a_value_is_valid_json(study: StudyResults) -> None:
    figure = learning_curves(study, marks(study.strategies)).content
    figure.add_scatter(x=[1, 2], y=[float("nan"), float("inf")])
    assert "NaN" not in figure.to_json()
    assert "Infinity" not in figure.to_json()


def test_what_was_not_measured_on_a_test_set_has_no_figure(study: StudyResults) -> None:
    def unmeasured(member: SeedModel) -> SeedModel:
        decoded = {setting: replace(one, metrics={}) for setting, one in member.decoded.items()}
        return replace(member, decoded=decoded)

    assert [*exposure_by_position(study, marks(study.strategies))]
    without = replace(study, members=tuple(map(unmeasured, study.members)))
    assert not [*exposure_by_position(without, marks(study.strategies))]


def test_labels_of_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    content = axes(x="한국어", y="日本語")
    content.add_scatter(x=[1.0, 2.0], y=[1.0, 2.0], name="매칭")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write_figures([Figure("letters", "안녕", "", content)], tmp_path)
    assert [path.name for path in written] == ["letters.svg", "letters.png"]
