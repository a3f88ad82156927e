"""Styles of systems in figures: colours, dashes and markers, the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from intelligen.analysis.study import BASELINE

# Okabe & Ito 2008, without black and yellow, which vanish on a dark or a light page. The lists have lengths without a
# common factor, so that thirty systems differ in two of the three.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
GREY = "#888888"
"""Of the baseline, and of lines that are no system's."""
DARK_COLOURS = {
    "#0072B2": "#4C9BFF",
    "#009E73": "#2BC594",
    "#CC79A7": "#DE8FBD",
    "#D55E00": "#F0803C",
    GREY: "#A9B0B7",
}
"""Colour → a lighter one for a dark page, on which even the line of a hollow marker is to be seen; others stay."""
DASHES = {"solid": "none", "dash": "9 9", "dot": "3 3", "dashdot": "9 3 3 3", "longdash": "15 5"}
"""Plotly's name → SVG's `stroke-dasharray`, for the legend."""
SYMBOLS = {
    "circle": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "square": "M-5,-5H5V5H-5Z",
    "diamond": "M-6,0L0,-6L6,0L0,6Z",
    "triangle-up": "M0,-6L6,5H-6Z",
    "x": "M-5,-3L-3,-5L0,-2L3,-5L5,-3L2,0L5,3L3,5L0,2L-3,5L-5,3L-2,0Z",
    "triangle-down": "M0,6L6,-5H-6Z",
    "star": "M0,-7L2,-2L7,-2L3,1L5,6L0,3L-5,6L-3,1L-7,-2L-2,-2Z",
    "cross": "M-6,-2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z",
}
"""Plotly's name → path around the origin, for the legend."""
_STRATEGY_SYMBOLS = tuple(name for name in SYMBOLS if name != "cross")


@dataclass(frozen=True)
class Mark:
    """How one system is drawn."""

    colour: str
    dash: str
    symbol: str

    @property
    def dark_colour(self) -> str:
        """On a dark page."""
        return DARK_COLOURS.get(self.colour, self.colour)


def marks(strategies: Sequence[str]) -> dict[str, Mark]:
    """A mark for the baseline, and for each strategy by its place."""
    styles = zip(cycle(_COLOURS), cycle(DASHES), cycle(_STRATEGY_SYMBOLS), strict=False)
    own = {name: Mark(*style) for name, style in zip(strategies, styles, strict=False)}
    return {BASELINE: Mark(GREY, "dot", "cross"), **own}
