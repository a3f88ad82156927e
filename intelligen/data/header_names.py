"""Header rows of tables: cells that look like names of columns rather than like texts and labels."""

import re
from collections.abc import Collection, Sequence

_NAME = re.compile(
    "source|src|target|tgt|trg|translation|reference|ref|hypothesis|hyp|text|sentence|document|doc|content|title|review"
    "|label|class|category|sentiment|rating|question|answer|context|input|output|prompt|response|instruction|id|language"
    "|english|german|french|spanish|italian|dutch|czech|polish|russian|chinese|japanese|korean"
    "|en|de|fr|es|it|nl|cs|pl|ru|zh|ja|ko"
)
_PARTS = re.compile(r"[^\W\d_]+")


def looks_like_header(cells: Sequence[str], columns: Collection[str]) -> bool:
    """Whether each cell is another name: one of the columns' in any case, or one that tables often have.

    `source_en` and `sentence1` are names too; what has a space inside is text.

    Args:
        cells: Of the first row, those that are read.
        columns: Names that the settings give.

    """
    names = [cell.strip().casefold() for cell in cells]
    known = {column.casefold() for column in columns}
    return len(set(names)) == len(names) and all(name in known or _usual(name) for name in names)


def _usual(name: str) -> bool:
    parts = _PARTS.findall(name)
    return bool(parts) and not any(map(str.isspace, name)) and all(map(_NAME.fullmatch, parts))
