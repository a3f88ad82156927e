"""Batches: right-padded rows of a split within a token bound; a row beyond the bound is a batch of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from typing import Generic, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import TypeVar

from intelligen.data.device_transfer import to_device
from intelligen.data.prepared_data import Split, TokenColumn
from intelligen.data.special_tokens import BOS, EOS, PAD

Rows = npt.NDArray[np.int64]


class MicroBatch(Protocol):
    """What the loader and the training loop need of a task's batch."""

    @property
    def rows(self) -> Rows:
        """Index of each row in its split."""

    @property
    def num_targets(self) -> int:
        """Targets of this batch: what its losses are summed over."""

    @property
    def update_targets(self) -> int:
        """Targets of the whole update, over all ranks and micro-batches."""

    @property
    def update_rows(self) -> int:
        """Rows of the whole update, likewise."""

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sentence pairs as a decoder is trained on them; all tensors are int64.

    Where an update has fewer rows than there are ranks, a rank gets its first row with nothing but PAD in
    `target_out_BT`: no loss and no targets, but the rank takes part in every collective.
    """

    source_BS: torch.Tensor
    """Pieces and EOS, then PAD."""
    target_in_BT: torch.Tensor
    """BOS y_1 … y_{T-1}, then PAD."""
    target_out_BT: torch.Tensor
    """y_1 … y_T with y_T = EOS, then PAD."""
    rows: Rows
    """Index of each row in its split."""
    update_targets: int
    """Target tokens without padding of the whole update, over all ranks and micro-batches."""
    update_rows: int
    """Rows of the whole update, likewise."""

    @cached_property
    def num_targets(self) -> int:
        """Target tokens without padding of this batch."""
        return int((self.target_out_BT != PAD).sum())

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        moved = replace(
            self,
            source_BS=to_device(self.source_BS, device),
            target_in_BT=to_device(self.target_in_BT, device),
            target_out_BT=to_device(self.target_out_BT, device),
        )
        # Counted before the move: afterwards the processor would have to wait for an accelerator.
        vars(moved)["num_targets"] = self.num_targets
        return moved


BatchT = TypeVar("BatchT", bound=MicroBatch, default=Batch)


class Examples(ABC, Generic[BatchT]):
    """A split's rows as a task trains on them: how long they are, how many targets they have, how they are collated."""

    @property
    @abstractmethod
    def lengths(self) -> Rows:
        """Positions of each row's longest side in a batch."""

    @abstractmethod
    def targets(self, rows: Rows) -> int:
        """Targets of some rows together: target tokens where tokens are predicted, rows where classes are."""

    @abstractmethod
    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> BatchT:
        """Some rows as one batch.

        Args:
            rows: Their indices.
            update_targets: Of the whole update that the batch is a part of.
            update_rows: Likewise.

        """

    @abstractmethod
    def without_targets(self, batch: BatchT) -> BatchT:
        """The same batch with nothing to learn from, for a rank that has no row of an update."""


class SentencePairs(Examples[Batch]):
    """Rows of a source and a target, which may be the same column."""

    def __init__(self, split: Split, *, source: str = "source", target: str = "target") -> None:
        self._source, self._target = split.columns[source], split.columns[target]

    @cached_property
    def lengths(self) -> Rows:
        """Tokens of each row's longest side, EOS included."""
        longest: Rows = np.maximum(self._source.lengths, self._target.lengths) + 1
        return longest

    def targets(self, rows: Rows) -> int:
        """Target tokens, EOS included."""
        return int(self._target.lengths[rows].sum()) + len(rows)

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> Batch:
        """Sources and targets, each padded to its longest."""
        target_out = _padded(self._target, rows)
        target_in = np.full_like(target_out, BOS)
        target_in[:, 1:] = np.where(target_out[:, 1:] == PAD, PAD, target_out[:, :-1])
        return Batch(
            source_BS=torch.from_numpy(_padded(self._source, rows)),
            target_in_BT=torch.from_numpy(target_in),
            target_out_BT=torch.from_numpy(target_out),
            rows=rows,
            update_targets=update_targets,
            update_rows=update_rows,
        )

    def without_targets(self, batch: Batch) -> Batch:
        """Nothing but PAD in `target_out_BT`."""
        return replace(batch, target_out_BT=torch.full_like(batch.target_out_BT, PAD))


def cut(descending_lengths: Rows, max_tokens: int | None, *, max_rows: int | None = None) -> list[int]:
    """Bounds of consecutive groups of rows with rows × longest ≤ max_tokens; a longer row is a group of its own.

    Args:
        descending_lengths: Tokens per row, longest first, so that a group's first row is its longest.
        max_tokens: Of one padded side of a group; None = any number.
        max_rows: Of a group; None = any number.

    Returns:
        Where groups begin, and the number of rows: group i is bounds[i] to bounds[i + 1].

    """
    bounds = [0]
    while bounds[-1] < len(descending_lengths):
        left = len(descending_lengths) - bounds[-1]
        fitting = left if max_tokens is None else max(1, max_tokens // int(descending_lengths[bounds[-1]]))
        bounds.append(bounds[-1] + min(left, fitting, left if max_rows is None else max_rows))
    return bounds


@dataclass(frozen=True)
class PaddedPart:
    """Rows that are padded together."""

    rows: int
    longest: int
    """Positions of their longest side."""

    @property
    def tokens(self) -> int:
        """Rows × longest."""
        return self.rows * self.longest


def largest_part(descending_lengths: Rows, bounds: Sequence[int]) -> PaddedPart:
    """The part with most tokens of those that could be cut smaller; where each is a single row, the longest row.

    Args:
        descending_lengths: Tokens per row, longest first.
        bounds: Of the parts, as `cut` returns them.

    """
    parts = [PaddedPart(end - start, int(descending_lengths[start])) for start, end in pairwise(bounds)]
    return max(parts, key=lambda part: (part.rows > 1, part.tokens))


def evaluation_batches(
    examples: Examples[BatchT], *, batch_tokens: int, rank: int = 0, world_size: int = 1
) -> Iterator[BatchT]:
    """Every row of a split once over all ranks, longest first; `update_targets` and `update_rows` are the batch's own.

    Which rows share a batch does not depend on the ranks, so neither do the numbers computed from it.
    """
    order = np.argsort(-examples.lengths, kind="stable")
    bounds = cut(examples.lengths[order], batch_tokens)
    for start, end in islice(pairwise(bounds), rank, None, world_size):
        rows = order[start:end]
        yield examples.batch(rows, update_targets=examples.targets(rows), update_rows=len(rows))


def between_ends(column: TokenColumn, rows: Rows) -> Rows:
    """BOS, each row's pieces and EOS, then PAD: rows × longest."""
    framed: Rows = np.pad(_padded(column, rows), ((0, 0), (1, 0)), constant_values=BOS)
    return framed


def _padded(column: TokenColumn, rows: Rows) -> Rows:
    """Each row's pieces and EOS, then PAD: rows × longest."""
    tokens, lengths = column.gather(rows)
    padded = np.full((len(rows), lengths.max() + 1), PAD, dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = tokens
    padded[np.arange(len(rows)), lengths] = EOS
    return padded
