"""Writes splits: encodes them in chunks, so memory does not grow with the corpus."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np

from intelligen.config.schema.columns import Column, Row, with_first_references
from intelligen.data.data_manifest import ColumnReport, SplitReport
from intelligen.data.overlong import Encoded, Fit
from intelligen.data.prepared_data import offsets_file, texts_file, tokens_file
from intelligen.data.row_filters import Counts
from intelligen.data.special_tokens import UNK

_CHUNK = 10_000
# One thread reads and writes about as fast as four encode; each holds a chunk more in memory.
_MOST_ENCODERS = 4
_LARGEST_UINT16_VOCABULARY = 1 << 16


class Encoder(Protocol):
    """What a column's texts or labels become tokens by."""

    @property
    def size(self) -> int:
        """Tokens that there are."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The tokens of each."""


def write_split(
    split: str,
    rows: Iterable[Row],
    *,
    columns: Sequence[Column],
    directory: Path,
    encoders: Mapping[str, Encoder],
    fit: Fit,
    counts: Counts,
    on_progress: Callable[[str, int], None],
    on_rows: Callable[[Sequence[Row]], None],
) -> SplitReport:
    """Encode a split's rows into its files.

    Args:
        split: Its name. Of all but `train` the raw texts are written beside the tokens.
        rows: What the filters kept, read once.
        columns: Of these rows.
        directory: Where the files go.
        encoders: By column: its vocabulary, or its classes.
        fit: What becomes of overlong texts.
        counts: Counters that `rows` moves as it is read; token-level reasons are added.
        on_progress: Gets the stage's name and the rows read so far.
        on_rows: Gets the rows that are written, in pieces.

    """
    kept = 0
    with ExitStack() as files:

        def create(name: str) -> BinaryIO:
            return files.enter_context((directory / name).open("wb"))

        names = [column.name for column in columns]
        writers = {
            column.name: _column_writer(split, column, size=encoders[column.name].size, create=create)
            for column in columns
        }
        texts = None if split == "train" else create(texts_file(split))
        by_column = {name: encoders[name] for name in names}
        for chunk, encoded in _encoded(_chunks(rows), by_column, with_first_references(columns)):
            if texts is None:
                chunk, encoded = fit.training(chunk, encoded, counts)
            else:
                encoded = fit.evaluation(encoded, counts)
                texts.writelines(_json_line(names, row) for row in chunk)
            for name, writer in writers.items():
                writer.append(encoded[name])
            on_rows(chunk)
            kept += len(chunk)
            on_progress(f"encoding {split}", counts.read)
    return SplitReport(
        read=counts.read,
        kept=kept,
        dropped=dict(counts.dropped),
        notes={note: count for note, count in counts.notes.items() if count},
        columns={name: writer.report() for name, writer in writers.items()},
    )


class ColumnWriter:
    """Appends rows of tokens to the two files of a column of texts or labels."""

    def __init__(self, *, tokens: BinaryIO, offsets: BinaryIO, size: int, kind: Literal["text", "label"]) -> None:
        self._tokens, self._offsets = tokens, offsets
        self._dtype: Literal["uint16", "int32"] = "uint16" if size <= _LARGEST_UINT16_VOCABULARY else "int32"
        self._total = self._unknown = self._longest = 0
        self._of_classes = np.zeros(size, dtype=np.int64) if kind == "label" else None
        offsets.write(np.zeros(1, dtype=np.int64).tobytes())

    def append(self, rows: list[list[int]]) -> None:
        """Add rows at the end."""
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        flat = np.fromiter(chain.from_iterable(rows), dtype=self._dtype, count=int(lengths.sum()))
        self._tokens.write(flat.tobytes())
        self._offsets.write((self._total + np.cumsum(lengths)).tobytes())
        self._total += len(flat)
        if self._of_classes is None:
            self._unknown += int(np.count_nonzero(flat == UNK))
        else:
            self._of_classes += np.bincount(flat, minlength=len(self._of_classes))
        self._longest = max(self._longest, int(lengths.max(initial=0)))

    def report(self) -> ColumnReport:
        """The numbers of what was written."""
        return ColumnReport(
            dtype=self._dtype,
            tokens=self._total,
            unknown=self._unknown,
            longest=self._longest,
            of_classes=None if self._of_classes is None else tuple(self._of_classes.tolist()),
        )


def _column_writer(split: str, column: Column, *, size: int, create: Callable[[str], BinaryIO]) -> ColumnWriter:
    return ColumnWriter(
        tokens=create(tokens_file(split, column.name)),
        offsets=create(offsets_file(split, column.name)),
        size=size,
        kind=column.kind,
    )


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _encoded(
    chunks: Iterable[list[Row]], encoders: Mapping[str, Encoder], trained_on: Callable[[Row], Row]
) -> Iterator[tuple[list[Row], Encoded]]:
    """Chunks in their order with their tokens, encoded on threads while the next ones are read.

    Args:
        chunks: Of rows.
        encoders: By column, in the order of a row's texts.
        trained_on: What is encoded of a row.

    """

    def encode(chunk: list[Row]) -> Encoded:
        texts = zip(*map(trained_on, chunk), strict=True)
        return {
            name: encoder.encode(list(column)) for (name, encoder), column in zip(encoders.items(), texts, strict=True)
        }

    threads = min(_MOST_ENCODERS, _processors())
    waiting: deque[tuple[list[Row], Future[Encoded]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(encode, chunk)))
            if len(waiting) > threads:
                first, tokens = waiting.popleft()
                yield first, tokens.result()
        for first, tokens in waiting:
            yield first, tokens.result()


def _processors() -> int:
    """How many this process may use; in a container fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _json_line(names: Sequence[str], row: Row) -> bytes:
    return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False).encode() + b"\n"
