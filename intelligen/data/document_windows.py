"""Windows of documents, on which language models train: each token of a document is predicted in exactly one of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch

from intelligen.data.batches import Examples, Rows
from intelligen.data.prepared_data import TokenColumn
from intelligen.data.special_tokens import BOS, EOS, PAD


@dataclass(frozen=True, eq=False)
class WindowBatch:
    """Windows as a language model reads them; all tensors are int64, [B, T], with PAD behind the shorter ones."""

    token_in_BT: torch.Tensor
    """What is read: the token before each that is to be predicted; BOS before a document's first."""
    token_out_BT: torch.Tensor
    """What is to be predicted: pieces, and EOS at a document's end."""
    document_BT: torch.Tensor | None
    """Which of the window's documents each position is of, counted from 0; none = a window is of one alone."""
    rows: Rows
    """Index of each window."""
    update_targets: int
    """Tokens to predict in the whole update, over all ranks and micro-batches."""
    update_rows: int
    """Windows of the whole update, likewise."""

    @cached_property
    def num_targets(self) -> int:
        """Tokens to predict in this batch."""
        return int((self.token_out_BT != PAD).sum())

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        moved = replace(
            self,
            token_in_BT=self.token_in_BT.to(device, non_blocking=True),
            token_out_BT=self.token_out_BT.to(device, non_blocking=True),
            document_BT=None if self.document_BT is None else self.document_BT.to(device, non_blocking=True),
        )
        # Counted before the move: afterwards the processor would have to wait for an accelerator.
        vars(moved)["num_targets"] = self.num_targets
        return moved


class DocumentWindows(Examples[WindowBatch]):
    """Documents with their EOS, cut into windows.

    All tokens to predict are thought of as one stream, document after document; a window is a stretch of it. A window
    that begins inside a document reads the token before it, and nothing else of what was before.

    Args:
        column: A document in each row, without BOS and EOS.
        n_seq: Most tokens of a window.
        packing: Every window but the last one is full; else each has tokens of one document alone.

    """

    def __init__(self, column: TokenColumn, *, n_seq: int, packing: bool) -> None:
        self._column = column
        self._packing = packing
        lengths = column.lengths + 1
        self._ends = np.cumsum(lengths)
        """Of each document, in the stream."""
        self._starts = self._ends - lengths
        if packing:
            self._first = np.arange(0, lengths.sum(), n_seq)
            ends = np.minimum(self._first + n_seq, lengths.sum())
        else:
            self.per_document = windows_of(lengths, n_seq)
            document = np.repeat(np.arange(len(lengths)), self.per_document)
            number = np.arange(len(document)) - np.repeat(
                np.cumsum(self.per_document) - self.per_document, self.per_document
            )
            self._first = self._starts[document] + number * n_seq
            ends = np.minimum(self._first + n_seq, self._ends[document])
        self._lengths = ends - self._first

    @property
    def lengths(self) -> Rows:
        """Tokens of each window."""
        return self._lengths

    def targets(self, rows: Rows) -> int:
        """Tokens to predict."""
        return int(self._lengths[rows].sum())

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> WindowBatch:
        """Windows, padded to the longest."""
        within = np.arange(self._lengths[rows].max())
        real = within < self._lengths[rows][:, None]
        place = np.where(real, self._first[rows][:, None] + within, self._first[rows][:, None])
        document = np.searchsorted(self._ends, place, side="right")
        number = place - self._starts[document]
        length, offset = self._column.lengths[document], self._column.offsets[document]
        token_in = np.where(number == 0, BOS, self._token(offset + number - 1))
        token_out = np.where(number == length, EOS, self._token(offset + number))
        return WindowBatch(
            token_in_BT=torch.from_numpy(np.where(real, token_in, PAD)),
            token_out_BT=torch.from_numpy(np.where(real, token_out, PAD)),
            document_BT=torch.from_numpy(document - document[:, :1]) if self._packing else None,
            rows=rows,
            update_targets=update_targets,
            update_rows=update_rows,
        )

    def without_targets(self, batch: WindowBatch) -> WindowBatch:
        """Nothing but PAD in `token_out_BT`."""
        return replace(batch, token_out_BT=torch.full_like(batch.token_out_BT, PAD))

    def _token(self, index: Rows) -> Rows:
        """Tokens of the column; any one where BOS or EOS takes its place."""
        tokens = self._column.tokens
        if not len(tokens):
            return np.full_like(index, EOS)
        found: Rows = tokens[index.clip(0, len(tokens) - 1)].astype(np.int64)
        return found


def windows_of(tokens: Rows, n_seq: int) -> Rows:
    """Number of windows of documents of so many tokens, EOS included."""
    windows: Rows = -(-tokens // n_seq)
    return windows
