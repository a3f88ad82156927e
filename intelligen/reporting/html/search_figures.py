"""Figures of a search: Pareto front, mixtures of strategies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import plotly.graph_objects as go

from intelligen.analysis.search_analysis import pareto_front
from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.metric_direction import higher_is_better, merit
from intelligen.config.schema.space_parameters import parameters
from intelligen.reporting.html.figures import Figure, add_points, axes
from intelligen.reporting.html.parallel_coordinates import mixtures, weights
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.shown_trials import count_of, shown_trials
from intelligen.state.trial_records import TrialState

Marks = Mapping[str, Mark]

MOST_POINTS, MOST_BARS, MOST_NAMES = 600, 60, 40
"""Trials of a figure as points, as bars and in its caption: more could not be distinguished, or not be read."""


def pareto_figure(study: StudyResults, marks: Marks) -> Figure:
    """Each trial's objective beside its cost, and the trials that no other exceeds in both."""
    figure = axes(x="device-seconds of the trial", y=study.metric)
    members = {m.record.id: m for m in study.searched if m.value(study.metric) is not None}
    valued = {name: member.value(study.metric) or 0.0 for name, member in members.items()}
    ran = {name: member for name, member in members.items() if member.record.state is TrialState.COMPLETE}
    costs = {name: member.device_s for name, member in ran.items()}
    front = pareto_front({name: valued[name] for name in ran}, costs, higher_is_better=higher_is_better(study.metric))
    shown = shown_trials(study, list(members.values()), MOST_POINTS, [ran[name] for name in front])
    for name in study.strategies:
        for state, hollow in ((TrialState.COMPLETE, False), (TrialState.PRUNED, True)):
            own = [m for m in shown if m.record.row == name and m.record.state is state]
            if own:
                points = [(m.device_s, valued[m.record.id]) for m in own]
                add_points(
                    figure, marks[name], points, name=study.label(name), text=[m.record.id for m in own], hollow=hollow
                )
    figure.add_scatter(
        x=[costs[name] for name in front],
        y=[valued[name] for name in front],
        mode="lines",
        line={"color": "#888888", "width": 2, "shape": "hv" if higher_is_better(study.metric) else "vh"},
        hoverinfo="skip",
    )
    return Figure(
        "pareto",
        "All trials: score and cost",
        f"{count_of(shown, list(members), 'trials of the search')}; hollow ones were stopped early. The line is the"
        f" Pareto front of the finished trials: {_named(front)}.",
        figure,
    )


def _named(front: Sequence[str]) -> str:
    more = f" and {len(front) - MOST_NAMES:,} more" if len(front) > MOST_NAMES else ""
    return f"{', '.join(front[:MOST_NAMES])}{more}" if front else "none"


def simplex_figures(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """Mixing ratios: three parts in a triangle, two on a line, more as bars."""
    names = {parameter.key: parameter.name for parameter in parameters(study.sweep.space)}
    for entry in mixtures(study).values():
        own = [
            member
            for member in study.searched
            if names[entry.draw] in member.record.params and member.value(study.metric) is not None
        ]
        if own:
            parts = list(weights(own[0], entry))
            figure = _triangle if len(parts) == 3 else _line if len(parts) == 2 else _bars
            shown = shown_trials(study, own, MOST_BARS if figure is _bars else MOST_POINTS)
            mixed = [(member, weights(member, entry), member.value(study.metric) or 0.0) for member in shown]
            drawn = figure(names[entry.draw].rpartition(".")[0], parts, mixed, study, marks)
            yield (
                drawn if len(shown) == len(own) else replace(drawn, caption=f"{drawn.caption} {count_of(shown, own)}.")
            )


Mixed = Sequence[tuple[SeedModel, dict[str, float], float]]


def _triangle(name: str, parts: Sequence[str], mixed: Mixed, study: StudyResults, marks: Marks) -> Figure:
    figure = axes(x="", y="")
    figure.add_scatterternary(
        **{axis: [found[part] for _, found, _ in mixed] for axis, part in zip("abc", parts, strict=True)},
        mode="markers",
        text=_hover_texts(mixed, study),
        hoverinfo="text",
        marker={
            "size": _sizes([value for *_, value in mixed], study),
            "color": marks[mixed[0][0].record.row].colour,
            "opacity": 0.7,
        },
    )
    ends = {f"{axis}axis": {"title": {"text": part}} for axis, part in zip("abc", parts, strict=True)}
    figure.update_layout(ternary={"sum": 1, **ends})
    figure.update_layout(margin={"t": 40, "b": 40, "l": 70, "r": 70})
    return _mixture(name, "The larger a point, the better the trial", study, figure)


def _line(name: str, parts: Sequence[str], mixed: Mixed, study: StudyResults, marks: Marks) -> Figure:
    figure = axes(x=f"weight of {parts[0]} (the rest: {parts[1]})", y=study.metric)
    points = [(found[parts[0]], value) for _, found, value in mixed]
    row = mixed[0][0].record.row
    add_points(figure, marks[row], points, name=study.label(row), text=_hover_texts(mixed, study))
    figure.update_xaxes(range=[-0.02, 1.02])
    return _mixture(name, "Each point is a trial", study, figure)


def _bars(name: str, parts: Sequence[str], mixed: Mixed, study: StudyResults, marks: Marks) -> Figure:
    figure = axes(x="weight", y="")
    best_last = sorted(mixed, key=lambda one: merit(study.metric, one[2]))
    labels = [f"{member.record.id}: {value:.2f}" for member, _, value in best_last]
    for part, pattern in zip(parts, ("", "/", ".", "x", "-"), strict=False):
        figure.add_bar(
            x=[found[part] for _, found, _ in best_last],
            y=labels,
            orientation="h",
            name=part,
            marker={
                "color": marks[part].colour if part in marks else None,
                "pattern": {"shape": pattern, "solidity": 0.25},
            },
            hovertemplate="%{x:.2f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=150 + 26 * len(labels),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return _mixture(name, "One bar per trial, the best on top", study, figure)


def _mixture(name: str, how: str, study: StudyResults, figure: go.Figure) -> Figure:
    key = "mixture-" + "".join(letter if letter.isalnum() else "-" for letter in name)
    return Figure(key, f"Mixing ratios: {name}", f"{how}, by {study.metric}.", figure)


def _hover_texts(mixed: Mixed, study: StudyResults) -> list[str]:
    return [
        f"{member.record.id}: {study.metric} {value:.2f}<br>"
        + "<br>".join(f"{part} {weight:.2f}" for part, weight in found.items())
        for member, found, value in mixed
    ]


def _sizes(values: Sequence[float], study: StudyResults) -> list[float]:
    best_last = sorted(values, key=lambda value: merit(study.metric, value))
    worst, best = best_last[0], best_last[-1]
    return [8 + 16 * ((value - worst) / (best - worst) if best != worst else 1) for value in values]
