"""Forest plot: each row's difference to its own control, with the interval that its verdict is read from."""

from collections.abc import Iterator, Mapping, Sequence

from intelligen.analysis.comparisons import HeldAgainst
from intelligen.analysis.study import StudyResults
from intelligen.analysis.system_scores import Score
from intelligen.reporting.html.figures import Figure, IntervalBar, intervals
from intelligen.reporting.html.plot_styles import GREY, Mark

_HOW = (
    "The interval is the one that the verdict is read from: it holds for all comparisons together."
    " An interval that spans 0 shows neither a gain nor a loss."
)
_HOW_SHOWN = " Hollow: another test set, which is shown and decides nothing."
_HOW_MARGIN = " The shaded range is what counts as no difference."


def forest_plot(study: StudyResults, rows: Sequence[Score], marks: Mapping[str, Mark]) -> Iterator[Figure]:
    """One figure, a line per strategy and test set; none where nothing is compared.

    Args:
        study: The study.
        rows: Of all test sets, by the experiment's own search.
        marks: Of the systems.

    """
    # Rows of one strategy follow each other: in the domain, then out of it.
    names = list(dict.fromkeys(row.system for row in rows))
    ordered = sorted(rows, key=lambda row: names.index(row.system))
    spans = [
        bar for row in ordered if (own := row.own) is not None and (bar := _bar(study, row, own, marks[row.system]))
    ]
    if not spans:
        return
    title = f"Δ {study.task.ranking.title} to its own control"
    figure = intervals(title, spans)
    margin = None if study.sweep.confirm is None else study.sweep.confirm.counts_as_none
    if margin is not None:
        figure.add_vrect(x0=-margin, x1=margin, fillcolor=GREY, opacity=0.15, line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dot"})
    shown = _HOW_SHOWN if any(span.hollow for span in spans) else ""
    yield Figure("differences", title, _HOW + shown + (_HOW_MARGIN if margin is not None else ""), figure)


def _bar(study: StudyResults, row: Score, own: HeldAgainst, mark: Mark) -> IntervalBar | None:
    found, metric = own.comparison, row.metric
    if found is None:
        return None
    size = f"{metric.change(found.delta)} [{metric.change(found.low)}, {metric.change(found.high)}]"
    return IntervalBar(
        f"{study.label(row.system)}, {row.setting[0]}",
        mark,
        found.delta,
        found.low,
        found.high,
        f"to {study.label(own.control)}; {', '.join(row.trials)}",
        above=f"{size} {own.verdict}" if row.is_primary else size,
        hollow=not row.is_primary,
    )
