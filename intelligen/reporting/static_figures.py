"""A report's figures as files: drawn again by matplotlib, which needs neither a browser nor a network."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from intelligen.errors import CannotCreateError
from intelligen.reporting.html.figures import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

FORMS = ("svg", "png")
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "x": "x",
    "triangle-down": "v",
    "star": "*",
    "cross": "P",
}
_FONTS_FOR_OTHER_SCRIPTS = frozenset(
    {"Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo"}
)
"""Where matplotlib's own font lacks a sign, such as Hangul's, one of these is taken that the machine has."""
_WIDTH_INCHES, _PIXELS_PER_INCH = 8.0, 95.0
_CORNERS = ((0.5, 0.866), (0.0, 0.0), (1.0, 0.0))
"""Of a triangle: where the parts a, b and c alone are."""


def write_figures(figures: Sequence[Figure], directory: Path) -> list[Path]:
    """Write every figure as SVG and PNG; returns the files.

    Args:
        figures: A report's.
        directory: Made where it is not there.

    Raises:
        CannotCreateError: The directory or a file cannot be written.

    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return [path for figure in figures for path in _write(figure, directory)]
    except OSError as error:
        raise CannotCreateError(f"{directory}: cannot be written: {error.strerror}; name another folder") from error


def _write(figure: Figure, directory: Path) -> list[Path]:
    paths = [directory / f"{figure.key}.{form}" for form in FORMS]
    with warnings.catch_warnings():
        # A machine without a font for a label's script draws boxes; each of them would be a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        picture = draw(figure)
        for path in paths:
            # Neither the date nor random names: the same results make the same files.
            picture.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
    return paths


def draw(figure: Figure) -> "Picture":
    """One figure with its title and a legend of its lines."""
    # The first import may look through all fonts, and says so.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewPicture
    from matplotlib.font_manager import get_font_names

    content = figure.content
    height = content.layout.height / _PIXELS_PER_INCH
    family = ["sans-serif", *sorted({*get_font_names()} & _FONTS_FOR_OTHER_SCRIPTS)]
    with mpl.rc_context({"svg.hashsalt": figure.key, "font.family": family}):
        picture = NewPicture(figsize=(_WIDTH_INCHES, height), layout="constrained")
        axes = picture.add_subplot()
        axes.set_title(figure.title)
        stacked: dict[str, float] = {}
        for trace in content.data:
            _draw_trace(axes, trace, stacked)
        _draw_layout(axes, content.layout)
        handles = {label: line for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        if len(handles) > 1:
            # Beside the lines: a search for the best place among them takes long, of which matplotlib warns.
            picture.legend(handles.values(), handles.keys(), fontsize=8, loc="outside right upper")
        axes.spines[["top", "right"]].set_visible(False)
    return picture


def _draw_trace(axes: "Axes", trace: Any, stacked: dict[str, float]) -> None:
    match trace:
        case go.Bar():
            _draw_bars(axes, trace, stacked)
        case go.Scatterternary():
            _draw_triangle(axes, trace)
        case go.Scatter() if trace.fill:
            _draw_band(axes, trace)
        case go.Scatter():
            _draw_line(axes, trace)
        case _:
            raise TypeError(f"{type(trace).__name__}: no figure of a report has such a trace so far; draw it here")


def _draw_line(axes: "Axes", trace: Any) -> None:
    mode, symbol = trace.mode or "lines", trace.marker.symbol or "circle"
    hollow = str(symbol).endswith("-open")
    colour = trace.line.color if "lines" in mode else trace.marker.color
    style: dict[str, Any] = {
        "color": colour or "#444444",
        "linestyle": _DASHES[trace.line.dash or "solid"] if "lines" in mode else "none",
        "linewidth": trace.line.width or 2,
        "marker": _SYMBOLS[str(symbol).removesuffix("-open")] if "markers" in mode else None,
        "markerfacecolor": "none" if hollow else colour,
        "alpha": trace.opacity,
        "label": trace.name or "_",
    }
    if trace.line.shape in ("hv", "vh"):
        style["drawstyle"] = "steps-post" if trace.line.shape == "hv" else "steps-pre"
    nan = float("nan")
    axes.plot(list(trace.x or ()), [nan if value is None else value for value in trace.y or ()], **style)
    across, upright = (
        None if error.array is None else [list(error.arrayminus), list(error.array)]
        for error in (trace.error_x, trace.error_y)
    )
    if across or upright:
        axes.errorbar(
            list(trace.x), list(trace.y), xerr=across, yerr=upright, color=colour, capsize=3, linestyle="none"
        )


def _draw_band(axes: "Axes", trace: Any) -> None:
    """An area whose edge goes out and back."""
    *colour, opacity = trace.fillcolor.removeprefix("rgba(").removesuffix(")").split(",")
    shade = [*(int(part) / 255 for part in colour), float(opacity)]
    axes.fill(list(trace.x), list(trace.y), color=shade, linewidth=0, label="_")


def _draw_bars(axes: "Axes", trace: Any, stacked: dict[str, float]) -> None:
    """Lying bars, each behind those that stand in its line already."""
    lefts = [stacked.get(name, 0.0) for name in trace.y]
    axes.barh(list(trace.y), list(trace.x), left=lefts, color=trace.marker.color, label=trace.name or "_")
    stacked |= {name: left + value for name, left, value in zip(trace.y, lefts, trace.x, strict=True)}


def _draw_triangle(axes: "Axes", trace: Any) -> None:
    """Points by the weights of three parts that sum to 1."""
    axes.plot(*zip(*_CORNERS, _CORNERS[0], strict=True), color="#888888", linewidth=1)
    for parts in zip(trace.a, trace.b, trace.c, strict=True):
        x, y = (sum(part * corner[axis] for part, corner in zip(parts, _CORNERS, strict=True)) for axis in (0, 1))
        axes.plot(x, y, "o", color=trace.marker.color, alpha=trace.marker.opacity)


def _draw_layout(axes: "Axes", layout: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(layout.xaxis.title.text or "")
    axes.set_ylabel(layout.yaxis.title.text or "")
    for shape in layout.shapes:
        if shape.type == "rect":
            axes.axvspan(shape.x0, shape.x1, color=shape.fillcolor, alpha=shape.opacity, linewidth=0, zorder=0)
            continue
        line = axes.axvline(shape.x0) if shape.x0 == shape.x1 else axes.axhline(shape.y0)
        line.set(color=shape.line.color, linewidth=1, linestyle=_DASHES[shape.line.dash or "solid"], zorder=0)
    for note in layout.annotations:
        across: Literal["axes fraction", "data"] = "axes fraction" if note.xref == "x domain" else "data"
        axes.annotate(
            note.text, (note.x, note.y), (5, 4), xycoords=(across, "data"), textcoords="offset points", fontsize=7
        )
    if layout.xaxis.type == "log":
        axes.set_xscale("log")
    if layout.xaxis.tickvals is not None:
        axes.set_xticks(list(layout.xaxis.tickvals), list(layout.xaxis.ticktext), rotation=20, ha="right")
    elif layout.xaxis.tickformat == "d":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if layout.yaxis.visible is False or layout.ternary.sum:
        axes.get_yaxis().set_visible(False)
    if layout.ternary.sum:
        axes.get_xaxis().set_visible(False)
        for at, axis in zip(_CORNERS, _ternary_axes(layout), strict=True):
            axes.annotate(axis.title.text or "", at)
    if layout.yaxis.autorange == "reversed":
        # Rows from the top down, each with half a row around it.
        first, last = axes.dataLim.intervaly
        axes.set_ylim(last + 0.5, first - 0.5)


def _ternary_axes(layout: Any) -> Iterator[Any]:
    yield from (layout.ternary.aaxis, layout.ternary.baxis, layout.ternary.caxis)
