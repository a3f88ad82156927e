"""Beam curve on the page: a table of scores by sizes of the beam, and a line for each system."""

from collections.abc import Mapping

from intelligen.analysis.beam_curve import BeamCurve
from intelligen.analysis.study import StudyResults
from intelligen.reporting.html.figures import Figure, add_line, axes
from intelligen.reporting.html.page_tables import Table, number, spread, word
from intelligen.reporting.html.plot_styles import Mark


def beam_curve_table(study: StudyResults, curve: BeamCurve) -> Table:
    """A row per system, a column per size."""
    form = curve.metric.format
    rows = [
        [word(study.label(system)), *(number(None) if one is None else spread(one, one.value, form) for one in found)]
        for system, found in curve.rows()
    ]
    headings = [study.compared.heading, *(f"beam of {size}" for size in curve.sizes)]
    return Table(f"{curve.title}, means over the seeds [95 %]", headings, rows)


def beam_curve_figure(study: StudyResults, curve: BeamCurve, marks: Mapping[str, Mark]) -> Figure:
    """The same as lines."""
    figure = axes(x="prefixes of the beam", y=curve.metric.title)
    for system, found in curve.scores.items():
        points = [(str(size), one.value) for size, one in found.items()]
        add_line(figure, marks[system], points, name=study.label(system))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[*map(str, curve.sizes)])
    return Figure("beam-curve", curve.title, curve.note, figure)
