"""A report stays small however many trials there are, and says what it leaves out."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import SmallStudy

from intelligen.analysis.conclusion import answer
from intelligen.analysis.result_rows import costs_of, primary, result_rows
from intelligen.analysis.study import SeedModel, StudyResults, read_study
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.figures import Figure, axes
from intelligen.reporting.html.page_tables import MOST_TRIALS, table_trials
from intelligen.reporting.html.parallel_coordinates import MOST_LINES, parallel_figures
from intelligen.reporting.html.plot_styles import marks
from intelligen.reporting.html.search_figures import MOST_POINTS, pareto_figure
from intelligen.reporting.html.shown_trials import evenly
from intelligen.reporting.html.thinned_curves import thinned
from intelligen.reporting.html.write_report import study_page

TRIALS = 10_000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """A small one whose trials of the search are there many times, each with a score and a name of its own."""
    files = SmallStudy(tmp_path_factory.mktemp("many") / "runs", failed=["t0002"])
    small = read_study(files.write(), store=files.store)
    chance = random.Random(1)
    searched = [_again(small.searched[number % 12], number, chance.gauss(0, 1)) for number in range(TRIALS)]
    others = [member for member in small.members if member.record.kind != "trial"]
    return replace(small, members=(*others, *searched))


def _again(member: SeedModel, number: int, by: float) -> SeedModel:
    result = member.result
    if result is not None:
        result = replace(result, metrics={name: value + by for name, value in result.metrics.items()})
    record = replace(member.record, id=f"n{number:05d}", number=number)
    return replace(member, record=record, result=result)


def test_a_page_of_ten_thousand_trials_is_below_five_megabytes_and_says_what_it_lacks(study: StudyResults) -> None:
    rows = result_rows(study)
    conclusion = answer(study, [row.score for row in primary(study, rows)], costs_of(rows))
    page = study_page(Compared(study, rows, conclusion))
    assert len(page.encode()) < 4_000_000
    table = page[page.index('<section id="trials">') :]
    assert table.count("<tr>") - 2 - table[table.index('<section id="run">') :].count("<tr>") == MOST_TRIALS - 1
    count = len(study.members)
    assert f"{MOST_TRIALS:,} of {count:,} trials, in the order in which they were started" in table
    assert "intelligen export small --trials trials.csv writes them into a file" in table
    assert re.search(r"PED-ANOVA over 1,000 of [23],\d{3} trials", page)


def test_the_table_keeps_what_is_notable_in_its_order(study: StudyResults) -> None:
    shown = table_trials(study)
    assert len(shown) == MOST_TRIALS
    names = {member.record.id for member in shown}
    assert {member.record.id for member in study.members if member.record.kind != "trial"} <= names
    assert _best(study, study.searched, 200) <= names
    failed = [member.record.id for member in study.searched if member.record.state == "failed"]
    assert set(failed[-200:]) <= names
    assert shown == [member for member in study.members if member.record.id in names]


def test_figures_keep_the_front_and_the_best(study: StudyResults) -> None:
    pareto = pareto_figure(study, marks(study.strategies))
    *points, front = pareto.content.data
    assert sum(len(one.x) for one in points) == MOST_POINTS
    assert set(front.y) <= {y for one in points for y in one.y}
    assert pareto.caption.startswith(f"{MOST_POINTS} of ")
    figures = list(parallel_figures(study, marks(study.strategies)))
    drawn = [{line.name for line in figure.content.data} for figure in figures]
    assert sum(map(len, drawn)) == MOST_LINES
    for row, names in zip(study.strategies, drawn, strict=True):
        assert _best(study, [member for member in study.searched if member.record.row == row], 50) <= names


def _best(study: StudyResults, members: Sequence[SeedModel], count: int) -> set[str]:
    values = {member.record.id: member.value(study.metric) for member in members}
    known = {name: value for name, value in values.items() if value is not None}
    return set(sorted(known, key=known.__getitem__, reverse=True)[:count])


def test_long_curves_keep_their_ends_and_extremes_and_short_ones_all(tmp_path: Path) -> None:
    figure = Figure("curves", "Curves", "How.", axes(x="epoch", y="loss"))
    values = [float(epoch % 7) for epoch in range(9000)]
    values[4321], values[1234] = 99.0, -1.0
    text = [f"epoch {epoch}" for epoch in range(9000)]
    figure.content.add_scatter(x=list(range(9000)), y=values, text=text, mode="lines+markers")
    figure.content.add_scatter(x=[1, 2], y=[3.0, 4.0], mode="lines+markers")
    found = thinned(figure)
    long, short = found.content.data
    assert len(long.x) == len(long.y) == len(long.text) <= 2000
    assert (long.x[0], long.x[-1], max(long.y), min(long.y)) == (0, 8999, 99.0, -1.0)
    assert all(word == f"epoch {x}" and y == values[x] for x, y, word in zip(long.x, long.y, long.text, strict=True))
    assert list(short.x) == [1, 2]
    assert (
        found.caption
        == "How. Of a curve of more than 2,000 points so many are drawn; the histories and MLflow have all."
    )
    assert thinned(found) is found


def test_evenly_spaced_ones_have_both_ends() -> None:
    assert evenly(range(10), 4) == [0, 3, 6, 9]
    assert evenly(range(3), 4) == [0, 1, 2]
    assert evenly(range(10), 1) == [0]
    assert evenly(range(10), 0) == []
