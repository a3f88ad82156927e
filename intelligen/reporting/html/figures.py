"""Plotly figures: axes, lines, points and intervals in the page's one style."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from intelligen.reporting.html.plot_styles import Mark

_HEIGHT, _SMALL_HEIGHT = 420, 300


@dataclass(frozen=True)
class Figure:
    """One figure and what is written beside it."""

    key: str
    title: str
    caption: str
    """How to read it, and what it was made from."""
    content: go.Figure


def axes(*, x: str, y: str, small: bool = False) -> go.Figure:
    """An empty figure with the names of its axes."""
    figure = go.Figure()
    figure.update_layout(
        template=None,
        height=_SMALL_HEIGHT if small else _HEIGHT,
        margin={"l": 60, "r": 16, "t": 12, "b": 52},
        showlegend=False,
        hovermode="closest",
        font={"size": 13},
    )
    figure.update_xaxes(title=x, automargin=True, zeroline=False)
    figure.update_yaxes(title=y, automargin=True, zeroline=False)
    return figure


def whole_steps(longest: int) -> int:
    """From mark to mark of an axis that counts epochs or trials, so that none is at a half."""
    return max(1, longest // 6)


def add_line(
    figure: go.Figure,
    mark: Mark,
    points: Sequence[tuple[Any, Any]],
    *,
    name: str,
    text: Sequence[str] | None = None,
    opacity: float = 1.0,
) -> None:
    """A system's line; what is shown under the pointer begins with its name."""
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines+markers",
        name=name,
        text=text,
        opacity=opacity,
        line={"color": mark.colour, "dash": mark.dash, "width": 2},
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
    )


def add_band(figure: go.Figure, mark: Mark, points: Sequence[tuple[float, float, float]], *, name: str) -> None:
    """From the least to the most at each place (x, least, most), behind a system's line."""
    there, back = [(x, low) for x, low, _ in points], [(x, high) for x, _, high in reversed(points)]
    figure.add_scatter(
        x=[x for x, _ in there + back],
        y=[y for _, y in there + back],
        mode="lines",
        name=name,
        fill="toself",
        fillcolor=_faint(mark.colour),
        line={"width": 0},
        hoverinfo="skip",
    )


def _faint(colour: str) -> str:
    """A colour of six digits, a fifth of it."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def add_points(
    figure: go.Figure,
    mark: Mark,
    points: Sequence[tuple[Any, Any]],
    *,
    name: str,
    text: Sequence[str] | None = None,
    hollow: bool = False,
) -> None:
    """A system's points, hollow ones for what does not count fully."""
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="markers",
        name=name,
        text=text,
        marker={"color": mark.colour, "symbol": mark.symbol + ("-open" if hollow else ""), "size": 9},
    )


@dataclass(frozen=True)
class IntervalBar:
    """A value of a system with its interval, on a line of its own."""

    line: str
    mark: Mark
    value: float
    low: float
    high: float
    label: str
    """What is shown under the pointer beside the numbers."""


def intervals(title: str, spans: Sequence[IntervalBar]) -> go.Figure:
    """Values with their intervals, one below the other."""
    figure = axes(x=title, y="")
    for span in spans:
        reach = {"array": [span.high - span.value], "arrayminus": [span.value - span.low], "color": span.mark.colour}
        figure.add_scatter(
            x=[span.value],
            y=[span.line],
            error_x=reach,
            mode="markers",
            marker={"color": span.mark.colour, "symbol": span.mark.symbol, "size": 11},
            text=[f"{span.value:.2f} [{span.low:.2f}, {span.high:.2f}]<br>{span.label}"],
            hovertemplate="%{text}<extra>%{y}</extra>",
        )
    figure.update_layout(height=110 + 34 * len(spans))
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
