"""Classification: models choose one of the training split's labels for a text, scored by accuracy and macro-F1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema import tasks
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.model import Model
from intelligen.data.batches import Examples, Rows, between_ends, evaluation_batches
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import evaluating
from intelligen.evaluation import Shard
from intelligen.evaluation.metric import Accuracy, MacroF1
from intelligen.models.build import build_classifier
from intelligen.models.interfaces import Classifier
from intelligen.optimization import Loss, MetricSums
from intelligen.tasks.base import Task, encoded

NO_LABEL: Final = -100
"""Of a row that only keeps a rank company."""


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Texts and their classes; all tensors are int64."""

    token_BT: Tensor
    """BOS, pieces and EOS, then PAD."""
    label_B: Tensor
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
            token_BT=self.token_BT.to(device, non_blocking=True),
            label_B=self.label_B.to(device, non_blocking=True),
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


class ClassificationTask(Task[Classifier, LabelledBatch]):
    """From a text to one of the classes that the training split's labels are."""

    text, label = "text", "label"

    def __init__(self, settings: tasks.Classification) -> None:
        super().__init__(settings, (Accuracy(), MacroF1()))

    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> Classifier:
        """From the text's vocabulary to the classes."""
        torch.manual_seed(seed)
        classes = len(prepared.classes(self.label))
        return build_classifier(settings, [prepared.vocabularies[self.text]], classes=classes)

    def examples(self, split: Split, prepared: Prepared) -> LabelledTexts:
        """Texts with their classes."""
        return LabelledTexts(split, text=self.text, label=self.label)

    def inputs(self, split: Split) -> list[str]:
        """The texts."""
        return split.texts(self.text)

    def references(self, split: Split) -> list[str]:
        """The labels."""
        return split.texts(self.label)

    @torch.no_grad()
    def evaluate(
        self,
        model: Classifier,
        split: Split,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> Shard:
        """The label that the model finds most probable for each row, and the cross entropy of the right one."""
        classes = prepared.classes(self.label)
        found: dict[int, str] = {}
        sums = MetricSums()
        batches = evaluation_batches(
            self.examples(split, prepared), batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size
        )
        with evaluating(model):
            for batch in (one.to(device) for one in batches):
                logits_BC = model(batch.token_BT).float()
                found |= {row: classes[one] for row, one in zip(batch.rows.tolist(), _best(logits_BC), strict=True)}
                loss = F.cross_entropy(logits_BC, batch.label_B, reduction="sum")
                sums.add(MetricSums({"loss": (loss.cpu(), batch.num_targets)}))
        return Shard(found, sums)

    def loss(self, model: Classifier, batch: LabelledBatch, *, label_smoothing: float) -> Loss:
        """Label-smoothed cross entropy, a mean over the update's rows."""
        return class_loss(model(batch.token_BT), batch, label_smoothing=label_smoothing)

    @torch.no_grad()
    def predict(
        self,
        model: Classifier,
        texts: Sequence[str],
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        notes: Counter[str],
    ) -> list[str]:
        """The most probable label of each, all in one batch."""
        classes = prepared.classes(self.label)
        pieces = encoded(texts, prepared, self.text, notes=notes)
        token_BT = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor([BOS, *ids, EOS]) for ids in pieces], batch_first=True, padding_value=PAD
        )
        return [classes[one] for one in _best(model(token_BT.to(device)).float())]


def class_loss(logits_BC: Tensor, batch: LabelledBatch, *, label_smoothing: float) -> Loss:
    """The micro-batch's share of the classes' cross entropy."""
    summed = F.cross_entropy(
        logits_BC, batch.label_B, reduction="sum", ignore_index=NO_LABEL, label_smoothing=label_smoothing
    )
    return Loss(summed / batch.update_targets, MetricSums({"train/loss": (summed, batch.num_targets)}))


def _best(logits_BC: Tensor) -> list[int]:
    """The most probable class of each row; of equals the first."""
    best: list[int] = logits_BC.argmax(dim=1).tolist()
    return best
