"""A task whose models write nothing: a source is labelled by the length of its target."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.declarations import Need, PluginTask
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.model import Model
from intelligen.config.schema.plugins import Plugin
from intelligen.data.batches import Examples, Rows, SentencePairs, evaluation_batches
from intelligen.data.labelled_texts import LabelledBatch
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.special_tokens import NO_LABEL
from intelligen.decoding.generate import evaluating
from intelligen.decoding.token_sampling import Uniforms
from intelligen.evaluation import Shard
from intelligen.evaluation.metric import Accuracy
from intelligen.models.build import build_classifier
from intelligen.models.interfaces import Classifier
from intelligen.models.losses import summed_class_loss
from intelligen.optimization import Loss, MetricSums
from intelligen.tasks import Task

LABELS = ("short", "long")
LONG = 4
"""Tokens of the target."""


class LabelledSources(Examples[LabelledBatch]):
    def __init__(self, split: Split) -> None:
        self._pairs = SentencePairs(split)
        self._lengths, self._labels = split.columns["source"].lengths + 1, labels(split)

    @property
    def lengths(self) -> Rows:
        return self._lengths

    def targets(self, rows: Rows) -> int:
        return len(rows)

    def batch(self, rows: Rows, *, update_targets: int, update_rows: int) -> LabelledBatch:
        pairs = self._pairs.batch(rows, update_targets=update_targets, update_rows=update_rows)
        return LabelledBatch(pairs.source_BS, self._labels[torch.from_numpy(rows)], rows, update_targets, update_rows)

    def without_targets(self, batch: LabelledBatch) -> LabelledBatch:
        return replace(batch, label_B=torch.full_like(batch.label_B, NO_LABEL))


class LabellingSettings(PluginTask):
    columns = SOURCE_AND_TARGET
    needs = (Need("classification"),)
    metrics = ("accuracy",)
    watched = "accuracy"

    name: Literal["labelling"] = "labelling"
    selection_metric: Literal["valid/accuracy", "valid/loss"] = "valid/accuracy"


class Labelling(Task[Classifier, LabelledBatch]):
    def __init__(self, settings: LabellingSettings) -> None:
        super().__init__(settings, [Accuracy()])

    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> Classifier:
        torch.manual_seed(seed)
        return build_classifier(settings, [prepared.vocabularies["source"]], classes=len(LABELS))

    def examples(self, split: Split, prepared: Prepared) -> LabelledSources:
        return LabelledSources(split)

    def inputs(self, split: Split) -> list[str]:
        return split.texts("source")

    def references(self, split: Split) -> list[str]:
        return [LABELS[label] for label in labels(split).tolist()]

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
        found: dict[int, str] = {}
        sums = MetricSums()
        batches = evaluation_batches(
            self.examples(split, prepared), batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size
        )
        with evaluating(model):
            for batch in (one.to(device) for one in batches):
                logits_BC = model(batch.token_BT)
                found |= {int(row): LABELS[best] for row, best in zip(batch.rows, logits_BC.argmax(1), strict=True)}
                loss = summed_class_loss(logits_BC, batch.label_B, label_smoothing=0.0)
                sums.add(MetricSums({"loss": (loss, batch.num_targets)}))
        return Shard(found, sums)

    def loss(self, model: Classifier, batch: LabelledBatch, *, label_smoothing: float) -> Loss:
        total = summed_class_loss(model(batch.token_BT), batch.label_B, label_smoothing=label_smoothing)
        return Loss(total / batch.update_targets, MetricSums({"train/loss": (total, batch.num_targets)}))

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
        encoded = prepared.tokenizer("source").encode(list(texts))
        return [LABELS[model(torch.tensor([ids], device=device)).argmax()] for ids in encoded]


def labels(split: Split) -> Tensor:
    return torch.from_numpy((split.columns["target"].lengths >= LONG).astype("int64"))


TASK = Plugin(settings=LabellingSettings, build=Labelling)
