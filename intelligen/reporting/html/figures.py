"""Plotly figures: axes, lines, points and intervals in the page's one style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from intelligen.reporting.html.plot_styles import Mark

_HEIGHT, _SMALL_HEIGHT = 420, 300
_BAR_HEIGHT, _TEXT_HEIGHT = 34, 18


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
    reach: Sequence[tuple[float, float]] | None = None,
) -> None:
    """A system's line; what is shown under the pointer begins with its name.

    Args:
        figure: Where to.
        mark: The system's.
        points: x and y.
        name: The system's.
        text: Shown under the pointer.
        opacity: Of the line.
        reach: The lower and the upper end of a bar at each point.

    """
    values = [y for _, y in points]
    figure.add_scatter(
        x=[x for x, _ in points],
        y=values,
        error_y=None if reach is None else _bars(values, reach, mark),
        mode="lines+markers",
        name=name,
        text=text,
        opacity=opacity,
        line={"color": mark.colour, "dash": mark.dash, "width": 2},
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
    )


def add_means(figure: go.Figure, mark: Mark, found: Mapping[Any, Sequence[float]], *, name: str) -> None:
    """A system's line through the mean over its seeds at each place, with bars from their least to their most.

    Where there is one seed everywhere there are no bars.
    """
    several = any(len(values) > 1 for values in found.values())
    add_line(
        figure,
        mark,
        [(place, fmean(values)) for place, values in found.items()],
        name=name,
        reach=[(min(values), max(values)) for values in found.values()] if several else None,
    )


def _bars(values: Sequence[float], reach: Sequence[tuple[float, float]], mark: Mark) -> dict[str, Any]:
    """From the lower to the upper ends, in the mark's colour."""
    return {
        "array": [high - value for value, (_, high) in zip(values, reach, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, reach, strict=True)],
        "color": mark.colour,
        "thickness": 1.2,
    }


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
    reach: Sequence[tuple[float, float]] | None = None,
) -> None:
    """A system's points, hollow ones for what does not count fully; with bars as lines have them."""
    values = [y for _, y in points]
    figure.add_scatter(
        x=[x for x, _ in points],
        y=values,
        error_y=None if reach is None else _bars(values, reach, mark),
        mode="markers",
        name=name,
        text=text,
        marker=_marker(mark, 9, hollow=hollow),
    )


def _marker(mark: Mark, size: int, *, hollow: bool) -> dict[str, Any]:
    """A hollow one has a line thick enough to be seen."""
    outline = {"line": {"width": 2}} if hollow else {}
    return {"color": mark.colour, "symbol": mark.symbol + ("-open" if hollow else ""), "size": size, **outline}


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
    above: str = ""
    """Written above the bar."""
    hollow: bool = False
    """Of what decides nothing."""


def _write_above(figure: go.Figure, span: IntervalBar) -> None:
    """At the left end of the bar's line, where a narrow page shows it too."""
    figure.add_annotation(
        x=0,
        y=span.line,
        xref="x domain",
        text=span.above,
        showarrow=False,
        xanchor="left",
        yshift=13,
        font={"size": 12},
    )


def intervals(title: str, spans: Sequence[IntervalBar]) -> go.Figure:
    """Values with their intervals, one below the other."""
    figure = axes(x=title, y="")
    for span in spans:
        figure.add_scatter(
            x=[span.value],
            y=[span.line],
            error_x=_bars([span.value], [(span.low, span.high)], span.mark),
            mode="markers",
            marker=_marker(span.mark, 11, hollow=span.hollow),
            text=[f"{span.value:.2f} [{span.low:.2f}, {span.high:.2f}]<br>{span.label}"],
            hovertemplate="%{text}<extra>%{y}</extra>",
        )
        if span.above:
            _write_above(figure, span)
    line_height = _BAR_HEIGHT + (_TEXT_HEIGHT if any(span.above for span in spans) else 0)
    figure.update_layout(height=110 + line_height * len(spans))
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
