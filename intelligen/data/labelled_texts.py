"""Labelled texts, on which classifiers train: the text of each row and the index of its class."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch

from intelligen.data.batches import Examples, Rows, between_ends
from intelligen.data.device_transfer import to_device
from intelligen.data.prepared_data import Split
from intelligen.data.special_tokens import NO_LABEL


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Texts and their classes; all tensors are int64."""

    token_BT: torch.Tensor
    """BOS, pieces and EOS, then PAD."""
    label_B: torch.Tensor
    """Index of the class, or `NO_LABEL`."""
    rows: Rows
    """Index of each row in its split."""
    update_targets: int
    """Rows of the whole update, over all ranks and micro-batches."""
    update_rows: int
    """The same."""

    @cached_property
    def num_targets(self) -> int:
        """Rows of this batch that have a class."""
        return int((self.label_B != NO_LABEL).sum())

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        moved = replace(
            self,
            token_BT=to_device(self.token_BT, device),
            label_B=to_device(self.label_B, device),
        )
        # Counted before the move: afterwards the processor would have to wait for an accelerator.
        vars(moved)["num_targets"] = self.num_targets
        return moved


class LabelledTexts(Examples[LabelledBatch]):
    """Rows of a text and a label."""

    def __init__(self, split: Split, *, text: str, label: str) -> None:
        self._texts, labels = split.columns[text], split.columns[label]
        self._labels = labels.gather(np.arange(len(labels)))[0].astype(np.int64)

    @cached_property
    def lengths(self) -> Rows:
        """Tokens of each row's text, BOS and EOS included."""
        lengths: Rows = self._texts.lengths + 2
        return lengths

    def targets(self, rows: Rows) -> int:
        """One class for each row."""
        return len(rows)

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> LabelledBatch:
        """Texts, padded to the longest, and their classes."""
        return LabelledBatch(
            token_BT=torch.from_numpy(between_ends(self._texts, rows)),
            label_B=torch.from_numpy(self._labels[rows]),
            rows=rows,
            update_targets=update_targets,
            update_rows=update_rows,
        )

    def without_targets(self, batch: LabelledBatch) -> LabelledBatch:
        """No class in any row."""
        return replace(batch, label_B=torch.full_like(batch.label_B, NO_LABEL))
