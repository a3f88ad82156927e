"""Windows of documents, on which language models train: each token is predicted in exactly one of them."""

from dataclasses import replace

import numpy as np
import torch

from intelligen.data.batches import Batch, Examples, Rows
from intelligen.data.prepared_data import TokenColumn
from intelligen.data.special_tokens import BOS, EOS, PAD


class DocumentWindows(Examples[Batch]):
    """Documents with their EOS, cut into windows; they are targets without a source, whose width is 0.

    All tokens to predict are thought of as one stream, document after document; a window is a stretch of it. A window
    that begins inside a document reads the token before it, and nothing else of what was before. A BOS that is read
    begins a document: of one behind it, nothing before it is seen.

    Args:
        column: A document in each row, without BOS and EOS.
        n_seq: Most tokens of a window.
        packing: Every window but the last one is full; else each has tokens of one document alone.

    """

    def __init__(self, column: TokenColumn, *, n_seq: int, packing: bool) -> None:
        self._column = column
        lengths = column.lengths + 1
        self._ends = np.cumsum(lengths)
        """Of each document, in the stream."""
        self._starts = self._ends - lengths
        if packing:
            self._first = np.arange(0, lengths.sum(), n_seq)
            last = lengths.sum()
        else:
            windows = windows_of(lengths, n_seq)
            document = np.repeat(np.arange(len(lengths)), windows)
            number = np.arange(len(document)) - np.repeat(np.cumsum(windows) - windows, windows)
            self._first = self._starts[document] + number * n_seq
            last = self._ends[document]
        self._lengths: Rows = np.minimum(n_seq, last - self._first)

    @property
    def lengths(self) -> Rows:
        """Tokens of each window."""
        return self._lengths

    def targets(self, rows: Rows) -> int:
        """Tokens to predict."""
        return int(self._lengths[rows].sum())

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> Batch:
        """Windows, padded to the longest; `Batch.rows` are the windows' indices."""
        first, within = self._first[rows, None], np.arange(self._lengths[rows].max())
        real = within < self._lengths[rows, None]
        place = np.where(real, first + within, first)
        document = np.searchsorted(self._ends, place, side="right")
        number = place - self._starts[document]
        begin, length = self._column.offsets[document], self._column.lengths[document]
        read = np.where(number == 0, BOS, self._tokens(begin + number - 1))
        predicted = np.where(number == length, EOS, self._tokens(begin + number))
        return Batch(
            source_BS=torch.empty(len(rows), 0, dtype=torch.long),
            target_in_BT=torch.from_numpy(np.where(real, read, PAD)),
            target_out_BT=torch.from_numpy(np.where(real, predicted, PAD)),
            rows=rows,
            update_targets=update_targets,
            update_rows=update_rows,
        )

    def without_targets(self, batch: Batch) -> Batch:
        """Nothing but PAD in `target_out_BT`."""
        return replace(batch, target_out_BT=torch.full_like(batch.target_out_BT, PAD))

    def _tokens(self, index: Rows) -> Rows:
        """Of the column; any one where BOS or EOS takes its place."""
        tokens = self._column.tokens if len(self._column.tokens) else np.array([EOS])  # all documents may be empty
        found: Rows = tokens[index.clip(0, len(tokens) - 1)].astype(np.int64)
        return found


def windows_of(lengths: Rows, n_seq: int) -> Rows:
    """How many windows documents of so many tokens, EOS included, are cut into."""
    windows: Rows = -(-lengths // n_seq)
    return windows
