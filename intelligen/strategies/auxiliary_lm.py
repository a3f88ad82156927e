"""Auxiliary strategy of a classification: each token of the text that is read is predicted from those before it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from intelligen.config.schema.single_strategies import Auxiliary
from intelligen.data.labelled_texts import LabelledBatch
from intelligen.data.special_tokens import NO_LABEL, PAD
from intelligen.models.interfaces import PredictingClassifier
from intelligen.models.losses import Targets, summed_class_loss
from intelligen.optimization import Loss, MetricSums, sum_over_ranks
from intelligen.strategies.base import Criterion, UpdateContext


class AuxiliaryLmCriterion(Criterion[PredictingClassifier, LabelledBatch]):
    """CE + λ·LM (Radford et al. 2018, eq. 5), or (1 − λ)·CE + λ·LM, from one pass of the network.

    CE is the class's, a mean over the update's rows; LM is a mean over the update's tokens, each predicted from those
    before it, EOS among them and BOS not. It smooths labels as CE does.

    Args:
        settings: The strategy's knobs.
        label_smoothing: ε of both.

    """

    def __init__(self, settings: Auxiliary, *, label_smoothing: float) -> None:
        self._settings = settings
        self._label_smoothing = label_smoothing
        self._update_tokens = torch.ones(())

    def prepare(self, micro_batches: Sequence[LabelledBatch], step: UpdateContext) -> MetricSums:
        """Count the tokens of the whole update: batches know its rows alone."""
        counts = [(_predicted(batch) != PAD).sum() for batch in micro_batches]
        self._update_tokens = sum_over_ranks(torch.stack(counts).sum())
        return MetricSums()

    def __call__(self, model: PredictingClassifier, batch: LabelledBatch, step: UpdateContext) -> Loss:
        """The micro-batch's share: class losses over the update's rows, token losses over its tokens."""
        logits_BC, states_BTD = model.classify_and_predict(batch.token_BT)
        of_classes = summed_class_loss(logits_BC, batch.label_B, label_smoothing=self._label_smoothing)
        predicted_BT = _predicted(batch)
        of_tokens = model.summed_loss(states_BTD[:, :-1], Targets(predicted_BT, self._label_smoothing))
        sums = MetricSums(
            {
                "train/loss": (of_classes, batch.num_targets),
                "train/auxiliary_loss": (of_tokens, (predicted_BT != PAD).sum()),
            }
        )
        weight = self._settings.weight
        main_weight = 1 - weight if self._settings.combine == "convex" else 1
        total = main_weight * of_classes / batch.update_targets + weight * of_tokens / self._update_tokens
        return Loss(total, sums)


def _predicted(batch: LabelledBatch) -> Tensor:
    """What comes after each token but the last, [B, T − 1]: the text without BOS; nothing of rows without a class."""
    return batch.token_BT[:, 1:].masked_fill((batch.label_B == NO_LABEL)[:, None], PAD)
