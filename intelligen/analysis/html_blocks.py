"""Pieces of HTML for notebooks: tables and lines, all text of others escaped."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table; a line break in a cell is one on the page."""
    above = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_lines(lines: Iterable[str]) -> str:
    """Paragraphs."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def html_code(text: str) -> str:
    """Lines to copy; nothing where there are none."""
    return f"<pre>{escape(text)}</pre>" if text else ""


def _cell(value: object) -> str:
    text = escape("" if value is None else str(value)).replace("\n", "<br>")
    return f"<td style='text-align:left;vertical-align:top'>{text}</td>"
