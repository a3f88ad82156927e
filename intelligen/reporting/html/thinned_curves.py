"""Curves thinned to what can be drawn: more points than a screen has columns only make the page larger."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from intelligen.reporting.html.figures import Figure
from intelligen.reporting.html.shown_trials import evenly

MOST_POINTS = 4000
"""Of all curves of a figure together; each has some 60 bytes in the page."""
LEAST_POINTS = 50
"""Of a curve, however many others there are."""


def thinned(figure: Figure) -> Figure:
    """The figure with at most so many points, and its caption says so; as it is where it has no more.

    Of a curve that is too long its ends, its lowest and its highest point stay, and evenly spaced ones between.
    """
    curves = [trace for trace in figure.content.data if trace.type == "scatter" and "lines" in (trace.mode or "")]
    if sum(len(curve.x) for curve in curves) <= MOST_POINTS:
        return figure
    most = max(LEAST_POINTS, MOST_POINTS // len(curves))
    long = [curve for curve in curves if len(curve.x) > most]
    for curve in long:
        kept = _kept(curve.y, most)
        columns = {name: [values[place] for place in kept] for name, values in _columns(curve).items()}
        curve.update(columns)
    note = f" Of a curve of more than {most:,} points so many are drawn; the histories and MLflow have all."
    return replace(figure, caption=figure.caption + note) if long else figure


def _columns(curve: Any) -> dict[str, Sequence[Any]]:
    found = {name: curve[name] for name in ("x", "y", "text")}
    return {name: values for name, values in found.items() if values is not None and not isinstance(values, str)}


def _kept(values: Sequence[float], most: int) -> list[int]:
    places = range(len(values))
    extremes = {min(places, key=values.__getitem__), max(places, key=values.__getitem__)}
    return sorted({*evenly(places, most - len(extremes)), *extremes})
