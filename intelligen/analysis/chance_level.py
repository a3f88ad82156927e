"""Chance level of a classification: what a model that learnt nothing reaches, and whether a row is above it."""

import math
from dataclasses import dataclass

from intelligen.analysis.row_measures import RowMeasures
from intelligen.data.data_manifest import Manifest

LEAST_FALL = 0.98
"""Share of chance's loss that training must get below: an untrained model is within a per cent or two of it."""
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Chance:
    """What can be had without reading the texts."""

    classes: int
    share: float
    """Of the test set's commonest class: the accuracy of always saying that one, in 0–1."""
    rows: int
    """Of the test set."""

    @classmethod
    def of(cls, data: Manifest, split: str) -> "Chance | None":
        """That of prepared data; None where they have no labels, or not this split."""
        found = (
            [one.of_classes for one in data.splits[split].columns.values() if one.of_classes]
            if (split in data.splits)
            else []
        )
        if not found or not sum(found[0]):
            return None
        counts = found[0]
        return cls(len(counts), max(counts) / sum(counts), sum(counts))

    @property
    def loss(self) -> float:
        """Cross entropy of a uniform guess, in nats."""
        return math.log(self.classes)

    @property
    def highest_accuracy(self) -> float:
        """The upper end of the 95 % interval that the commonest class's share has over so many rows, in per cent."""
        return 100 * (self.share + NORMAL_95 * math.sqrt(self.share * (1 - self.share) / self.rows))

    def verdict(self, measures: RowMeasures) -> str:
        """`did not learn: train loss 0.693 after 3 epochs, chance`; empty of a row that is above it.

        A row has not learnt if its training loss is hardly below that of a uniform guess, which a network that fits
        anything at all leaves at once. If over so many rows its test accuracy cannot be distinguished from that of
        always saying the commonest class, only that is said.
        """
        epochs = f"{measures.trained_epochs} epoch{'' if measures.trained_epochs == 1 else 's'}"
        loss, accuracy = measures.train_loss, measures.test.get("accuracy")
        if loss is not None and not loss < LEAST_FALL * self.loss:
            return f"did not learn: train loss {loss:.3f} after {epochs}, chance"
        if accuracy is not None and accuracy <= self.highest_accuracy:
            return (
                f"not above chance: test accuracy {accuracy:.2f} % of {self.rows:,} rows, and the commonest class has"
                f" {100 * self.share:.2f} %"
            )
        return ""
