"""The HTML page: one file that holds style, script, figures and Plotly; texts of others are escaped."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from intelligen.analysis.conclusion import Conclusion
from intelligen.reporting.html.answer_pieces import steps_apart, text_pieces
from intelligen.reporting.html.figures import Figure
from intelligen.reporting.html.page_tables import Table
from intelligen.reporting.html.plot_styles import DARK_COLOURS, DASHES, SYMBOLS, Mark
from intelligen.reporting.html.sample_translations import TranslatedSample
from intelligen.reporting.html.thinned_curves import thinned

MOST_STACKED = 20
"""Rows of a table that a phone shows as a list of cells; one of more rows scrolls there."""
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is not shown."""

    key: str
    title: str
    text: str = ""
    below: str = ""
    """How to read the tables, in short."""
    more: str = ""
    """The same in full, folded."""
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    legend: bool = True
    """Whether its figures show systems by their marks."""
    small: bool = False
    """Figures side by side where there is room."""
    folded: bool = False
    """Only the first figure is open."""
    samples: Sequence[TranslatedSample] = ()
    notes: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Long texts by their titles, folded."""
    pasted: Mapping[str, str] = field(default_factory=dict)
    """Lines to copy by their titles."""

    def __bool__(self) -> bool:
        return any((self.text, self.tables, self.figures, self.samples, self.notes, self.texts, self.pasted))


@dataclass(frozen=True)
class Heading:
    """Kind of the page, its title and its question, above the conclusion."""

    kind: str
    title: str
    question: str = ""


def render(
    heading: Heading, answers: Mapping[str, Conclusion], sections: Sequence[Section], marks: Mapping[str, Mark]
) -> str:
    """The whole page.

    Args:
        heading: Of the page.
        answers: By what they are of; a study's own has the empty name.
        sections: In their order.
        marks: Of the systems in the figures.

    """
    shown = [replace(section, figures=[thinned(one) for one in section.figures]) for section in sections if section]
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"pieces": text_pieces, "steps_apart": steps_apart}
    return environment.get_template("report.html.j2").render(
        heading=heading,
        answers=answers,
        sections=shown,
        marks=marks,
        dashes=DASHES,
        symbols=SYMBOLS,
        most_stacked=MOST_STACKED,
        dark_colours=DARK_COLOURS,
        figures={one.key: _plain(one) for section in shown for one in section.figures},
        style=_own("report.css"),
        script=_own("report.js"),
        plotly=_packed_plotly() if any(section.figures for section in shown) else "",
    )


def _plain(figure: Figure) -> Any:
    # Plotly's own writer makes null of what is not finite, which JSON does not have.
    return json.loads(figure.content.to_json())


def _own(name: str) -> Markup:
    return Markup(files(_PACKAGE).joinpath("page", name).read_text(encoding="utf-8"))  # noqa: S704  (our own file)


@cache
def _packed_plotly() -> str:
    """Plotly's whole bundle, which is all that the package ships: 4.8 MB, packed 1.9 MB."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
