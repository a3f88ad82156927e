"""Classification: models choose one of the training split's labels for a text, scored by accuracy and macro-F1."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.schema import tasks
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.model import Model
from intelligen.data.batches import evaluation_batches
from intelligen.data.labelled_texts import LabelledBatch, LabelledTexts
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import evaluating
from intelligen.decoding.token_sampling import Uniforms
from intelligen.evaluation import Shard
from intelligen.evaluation.metric import Accuracy, MacroF1
from intelligen.models.build import build_classifier
from intelligen.models.interfaces import Classifier
from intelligen.models.losses import summed_class_loss
from intelligen.optimization import Loss, MetricSums
from intelligen.tasks.base import Task, encoded

MOST_OF_ONE_CLASS: Final = 0.8
"""From this share on, accuracy says little."""


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

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Accuracy says little where nearly all rows are of one class."""
        label, rows = Counter(references).most_common(1)[0]
        if rows < MOST_OF_ONE_CLASS * len(references):
            return None
        share = 100 * rows / len(references)
        return (
            f"{share:.1f} % of the rows of {split} are of class {label}: a constant answer has that accuracy;"
            " macro-F1 weighs classes alike"
        )

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
                nats = summed_class_loss(logits_BC, batch.label_B, label_smoothing=0.0)
                sums.add(MetricSums({"loss": (nats.cpu(), batch.num_targets)}))
        return Shard(found, sums)

    def loss(self, model: Classifier, batch: LabelledBatch, *, label_smoothing: float) -> Loss:
        """Label-smoothed cross entropy, a mean over the update's rows."""
        summed = summed_class_loss(model(batch.token_BT), batch.label_B, label_smoothing=label_smoothing)
        return Loss(summed / batch.update_targets, MetricSums({"train/loss": (summed, batch.num_targets)}))

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
        uniforms: Uniforms | None = None,
    ) -> list[str]:
        """The most probable label of each, all in one batch."""
        classes = prepared.classes(self.label)
        pieces = encoded(texts, prepared, self.text, notes=notes)
        token_BT = pad_sequence([torch.tensor([BOS, *ids, EOS]) for ids in pieces], batch_first=True, padding_value=PAD)
        return [classes[one] for one in _best(model(token_BT.to(device)).float())]


def _best(logits_BC: Tensor) -> list[int]:
    """The most probable class of each row; of equals the first."""
    best: list[int] = logits_BC.argmax(dim=1).tolist()
    return best
