"""The report shows what is known and how surely: the answer's command, differences, costs, and no empty column."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import SmallStudy

from intelligen.analysis.best_settings import study_settings
from intelligen.analysis.next_step import Step
from intelligen.reporting.html import page
from intelligen.reporting.html.answer_pieces import steps_apart, text_pieces
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.cost_figure import cost_figure
from intelligen.reporting.html.difference_figures import forest_plot
from intelligen.reporting.html.figures import add_means, axes
from intelligen.reporting.html.page_sections import study_sections
from intelligen.reporting.html.page_tables import trial_table
from intelligen.reporting.html.plot_styles import marks
from intelligen.reporting.html.score_figures import score_figures
from intelligen.reporting.html.write_report import read_compared, study_page
from intelligen.reporting.static_figures import draw

CSS = Path(page.__file__).with_name("page") / "report.css"


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    files = SmallStudy(tmp_path_factory.mktemp("confirmed") / "runs", margin=0.5)
    return read_compared(files.write(), store=files.store)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """One seed each: nothing is confirmed."""
    files = SmallStudy(tmp_path_factory.mktemp("plain") / "runs", confirm=False)
    return read_compared(files.write(), store=files.store)


def test_a_command_is_a_piece_of_its_own_and_names_in_backticks_are_code() -> None:
    step = Step("repeat it", "intelligen run 'my file.yaml' -o a=1.5")
    pieces = text_pieces(
        "intelligen wins (`confirm`). Next: repeat it: intelligen run 'my file.yaml' -o a=1.5.", [step]
    )
    assert [(piece.text, piece.kind) for piece in pieces] == [
        ("intelligen wins (", "words"),
        ("confirm", "code"),
        ("). Next: repeat it: ", "words"),
        ("intelligen run 'my file.yaml' -o a=1.5", "command"),
    ]
    other = Step("go on", "intelligen resume small")
    assert steps_apart([f"Next: {step}."], [step, other, Step("leave it out")]) == [other]


def test_the_answer_comes_first_with_its_command_to_copy(plain: Compared, confirmed: Compared) -> None:
    for one, verb in ((plain, "extend small"), (confirmed, "run FILE")):
        answer = study_page(one).partition('<section id="answer">')[2].partition("</section>")[0]
        (command,) = re.findall(r'<span class="copied"><code>(.*?)</code><button[^>]*>Copy', answer)
        assert command.startswith(f"intelligen {verb}")
        assert "`" not in answer


def test_every_difference_has_the_interval_of_its_verdict_in_and_out_of_domain(confirmed: Compared) -> None:
    scores = [row.score for row in confirmed.primary]
    elsewhere = [replace(score, setting=("test_ood", "beam"), is_primary=False) for score in scores]
    (figure,) = forest_plot(confirmed.study, [*scores, *elsewhere], marks(confirmed.study.strategies))
    row = next(row.values() for row in confirmed.primary if row.score.system == "intelligen")
    inside, outside = figure.content.data
    assert (*inside.y, *outside.y) == ("intelligen, test", "intelligen, test_ood")
    for bar in (inside, outside):
        low, high = bar.x[0] - bar.error_x.arrayminus[0], bar.x[0] + bar.error_x.array[0]
        assert (bar.x[0], low, high) == pytest.approx((row["delta"], row["delta_low"], row["delta_high"]))
    assert not inside.marker.symbol.endswith("-open")
    assert outside.marker.symbol.endswith("-open")
    first, second = figure.content.layout.annotations
    assert first.text.endswith("] better")
    assert second.text.endswith("]")
    zone, zero = figure.content.layout.shapes
    assert (zone.x0, zone.x1, zero.x0) == (-0.5, 0.5, 0)
    picture = draw(figure)
    picture.savefig(io.BytesIO())
    assert len(picture.axes[0].texts) == 2


def test_nothing_is_drawn_of_differences_that_nobody_has_compared(plain: Compared) -> None:
    assert not [*forest_plot(plain.study, [row.score for row in plain.primary], marks(plain.study.strategies))]


def test_a_sweep_without_confirmation_has_no_column_of_dashes_and_no_mean_over_seeds(plain: Compared) -> None:
    sections = {one.key: one for one in study_sections(plain.study, plain.rows, marks(plain.study.strategies))}
    (table,) = sections["results"].tables
    assert list(table.headings) == [
        *("strategy", "BLEU [95 %]", "seeds", "epoch time", "avg memory", "max memory", "device-hours")
    ]
    shown = study_page(plain).partition('<section id="results">')[2]
    assert "mean over" not in shown.lower()
    assert "–</td>" not in shown.partition("</table>")[0]


def test_footnotes_are_short_and_the_rest_unfolds(plain: Compared, confirmed: Compared) -> None:
    for one in (plain, confirmed):
        shown = study_page(one)
        (short,) = re.findall(r'<p class="below">(.*?)</p>', shown)
        assert len(short.split()) <= 45
        assert '<details class="more"><summary>How to read it' in shown


def test_score_and_cost_are_a_picture_with_the_intervals_of_the_scores(confirmed: Compared) -> None:
    (figure,) = cost_figure(confirmed.study, confirmed.primary, marks(confirmed.study.strategies))
    for points, row in zip(figure.content.data, confirmed.primary, strict=True):
        values = row.values()
        assert (points.x[0], points.y[0]) == (values["device_hours"], values["bleu"])
        assert points.y[0] + points.error_y.array[0] == pytest.approx(values["bleu_high"])
    assert "per device-hour" not in study_page(confirmed).partition("<table")[2]


def test_every_test_set_has_a_figure(confirmed: Compared) -> None:
    study, scores = confirmed.study, [row.score for row in confirmed.primary]
    both = replace(study, test_sets={**study.test_sets, "test_ood": study.test_sets["test"]})
    rows = [*scores, *(replace(score, setting=("test_ood", "beam")) for score in scores)]
    keys = [figure.key for figure in score_figures(both, rows, marks(study.strategies))]
    assert keys == ["scores", "scores-test_ood", "lengths"]


def test_bars_reach_from_the_least_to_the_most_of_the_seeds_and_one_seed_has_none() -> None:
    figure, mark = axes(x="epoch", y="gap"), marks(["standard"])["standard"]
    add_means(figure, mark, {1: [0.2, 0.4, 0.3], 2: [0.1]}, name="standard")
    add_means(figure, mark, {1: [0.2], 2: [0.1]}, name="standard")
    several, one = figure.data
    assert list(several.y) == pytest.approx([0.3, 0.1])
    assert list(several.error_y.array) == pytest.approx([0.1, 0.0])
    assert list(several.error_y.arrayminus) == pytest.approx([0.1, 0.0])
    assert one.error_y.array is None


def test_the_best_settings_can_be_copied_and_each_trial_has_its_own(plain: Compared) -> None:
    section = study_page(plain).partition('<section id="settings">')[2].partition("</section>")[0]
    found = study_settings(plain.study)
    assert len(found) == section.count("Copy</button>") == 3
    assert all(line in section for one in found for line in one.lines())
    table = trial_table(plain.study)
    column = table.headings.index("settings")
    settings = {row[0].text: row[column].text for row in table.rows}
    assert "label_smoothing 0.05" in settings["t0001"]
    assert settings["baseline-1"] == ""
    strategies = {row[0].text: row[table.headings.index("strategy")].text for row in table.rows}
    assert strategies["baseline-1"] == "baseline"


def test_marks_can_be_seen_on_a_dark_page() -> None:
    dark = CSS.read_text().partition("prefers-color-scheme: dark")[2]
    ground = re.search(r"--page: (#\w{6})", dark)
    assert ground is not None
    for name, mark in marks([f"strategy {number}" for number in range(6)]).items():
        assert contrast(mark.dark_colour, ground[1]) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2.2."""
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
