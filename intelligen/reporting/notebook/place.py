"""A place in a notebook's output that shows HTML, and shows other HTML later."""

from collections.abc import Callable
from typing import Protocol


class Place(Protocol):
    """Where something was shown."""

    def update(self, html: str) -> None:
        """Show this instead."""


Show = Callable[[str], Place]
"""Shows HTML below what the cell has shown so far."""


class _CellPlace:
    """In the output of a cell."""

    def __init__(self, html: str) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(html), display_id=True)

    def update(self, html: str) -> None:
        if self._handle is not None:
            self._handle.update(self._html(html))


def show_in_cell(html: str) -> Place:
    """In the cell that runs."""
    return _CellPlace(html)
