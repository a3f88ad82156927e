"""Score beside cost: what a system reached on the primary test set, and what all its trials took."""

from collections.abc import Mapping, Sequence
from math import log10

from intelligen.analysis.result_rows import ResultRow
from intelligen.analysis.study import StudyResults
from intelligen.reporting.html.figures import Figure, add_points, axes
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.score_figures import how_measured

_LOGARITHMIC_FROM = 20
"""Times that the costliest system takes of the cheapest: beyond, all others would lie at the edge."""


def cost_figure(study: StudyResults, rows: Sequence[ResultRow], marks: Mapping[str, Mark]) -> list[Figure]:
    """One figure; none where no cost is known."""
    known = [(row.score, row.cost.device_hours) for row in rows if row.cost is not None and row.cost.device_s > 0]
    if not known:
        return []
    metric = study.task.ranking
    figure = axes(x="device-hours of all its trials", y=metric.title, small=True)
    for score, cost in known:
        add_points(
            figure,
            marks[score.system],
            [(cost, score.mean.value)],
            name=study.label(score.system),
            text=[study.label(score.system)],
            reach=[(score.mean.low, score.mean.high)],
        )
    hours = [one for _, one in known]
    if max(hours) > _LOGARITHMIC_FROM * min(hours):
        figure.update_xaxes(type="log", range=[log10(min(hours)) - 0.2, log10(max(hours)) + 0.2])
    else:
        figure.update_xaxes(rangemode="tozero")
    better = "Up and to the left is better" if metric.higher_is_better else "Down and to the left is better"
    how = f"{better}. {how_measured([score for score, _ in known])} Stopped and failed trials cost too."
    return [Figure("score-and-cost", f"{metric.label} and cost, {study.primary[0]}", how, figure)]
