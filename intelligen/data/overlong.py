"""Texts beyond `data.max_tokens`: training rows are left out or cut, evaluation rows cut where models read them."""

from collections.abc import Sequence
from itertools import compress

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Data
from intelligen.data.row_filters import Counts

Encoded = dict[str, list[list[int]]]
"""Column → tokens of each row."""


def shortened(tokens: list[int], data: Data) -> list[int]:
    """What models read of a text: all of it within the bound, else its beginning, or its first half and its last."""
    bound = data.max_tokens
    if len(tokens) <= bound:
        return tokens
    if data.overlong == "cut_middle":
        last = bound // 2
        return tokens[: bound - last] + tokens[-last:]
    return tokens[:bound]


class Fit:
    """Brings a split's rows within the bound; labels, and texts that tasks cut into windows, are not looked at."""

    def __init__(self, columns: Sequence[Column], data: Data) -> None:
        bounded = [column for column in columns if column.kind == "text" and not column.windowed]
        self._read = [column.name for column in bounded if column.read]
        self._written = [column.name for column in bounded if not column.read]
        self._data = data

    def training(self, chunk: list[Row], encoded: Encoded, counts: Counts) -> tuple[list[Row], Encoded]:
        """The rows that are trained on; what models should write is never cut."""
        if self._data.overlong != "drop":
            return self._without_overlong(self._written, chunk, self._cut(encoded, counts), counts)
        return self._without_overlong([*self._read, *self._written], chunk, encoded, counts)

    def evaluation(self, encoded: Encoded, counts: Counts) -> Encoded:
        """The same rows, cut where models read them; what is longer where they should write it is counted."""
        for name in self._written:
            counts.notes[f"overlong_{name}"] += self._longer(encoded[name])
        return self._cut(encoded, counts)

    def _cut(self, encoded: Encoded, counts: Counts) -> Encoded:
        cut = dict(encoded)
        for name in self._read:
            counts.notes[f"truncated_{name}"] += self._longer(encoded[name])
            cut[name] = [shortened(row, self._data) for row in encoded[name]]
        return cut

    def _without_overlong(
        self, names: Sequence[str], chunk: list[Row], encoded: Encoded, counts: Counts
    ) -> tuple[list[Row], Encoded]:
        texts = [encoded[name] for name in names]
        fits = [max(map(len, row)) <= self._data.max_tokens for row in zip(*texts, strict=True)]
        if all(fits):
            return chunk, encoded
        counts.dropped["too_many_tokens"] += fits.count(False)
        return list(compress(chunk, fits)), {column: list(compress(rows, fits)) for column, rows in encoded.items()}

    def _longer(self, rows: list[list[int]]) -> int:
        return sum(len(row) > self._data.max_tokens for row in rows)
