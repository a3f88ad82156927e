"""Auxiliary strategy: teacher forcing, and a further loss on the first tokens, which have little or no prefix."""

import torch
from torch import Tensor

from intelligen.config.schema.single_strategies import Auxiliary
from intelligen.data.batches import Batch
from intelligen.data.device_transfer import to_device
from intelligen.data.special_tokens import PAD
from intelligen.models.interfaces import Generator, SourcePooler, offering
from intelligen.models.losses import token_losses
from intelligen.optimization import Loss, MetricSums
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.teacher_forcing import TeacherForcing


class AuxiliaryCriterion(Criterion):
    """CE + λ·CE_1, or (1 − λ)·CE + λ·CE_1.

    CE is the teacher's, a mean over the update's target tokens. CE_1 is a mean over the update's rows, each of which
    has one y_1; it smooths labels as CE does. With the decoder's head it is a term of CE already, so that `add` is CE
    with the first token's weight raised from 1 to 1 + λ·tokens/rows. Over k tokens, CE_1 is
    Σ_j w_j·(sum of the rows' losses at token j) / rows with w_j ∝ decay^(j−1), Σ w_j = 1: k and decay move λ's weight
    between tokens without raising it, and a row that ends before its k-th token has that much less of it.

    Args:
        settings: The strategy's knobs.
        teacher: The teacher-forced loss.
        label_smoothing: ε of CE_1.

    """

    def __init__(self, settings: Auxiliary, *, teacher: TeacherForcing, label_smoothing: float) -> None:
        self._settings = settings
        self._teacher = teacher
        self._label_smoothing = label_smoothing
        tokens = settings.tokens if settings.head == "decoder" else 1
        decayed = [settings.decay**position for position in range(tokens)]
        self._weights = [weight / sum(decayed) for weight in decayed]

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The micro-batch's share: token losses over the update's tokens, first-token losses over its rows."""
        settings = self._settings
        encoded = model.encode(batch.source_BS)
        states_BTD = model.states(batch.target_in_BT, encoded)
        main = self._teacher.after(states_BTD, model, batch)
        if settings.head == "encoder":
            heads_BKD = offering(model, SourcePooler).pooled(encoded)[:, None]
        else:
            heads_BKD = states_BTD[:, : len(self._weights)]
        first = self._first_tokens(model.project(heads_BKD), batch)
        rows = (batch.target_out_BT[:, 0] != PAD).sum()
        main.sums.add(MetricSums({"train/auxiliary_loss": (first * batch.update_rows, rows)}))
        main_weight = 1 - settings.weight if settings.combine == "convex" else 1
        return Loss(main_weight * main.total + settings.weight * first, main.sums)

    def _first_tokens(self, logits_BKV: Tensor, batch: Batch) -> Tensor:
        """CE_1, from logits of the first k positions, or of all there are."""
        k = logits_BKV.size(1)
        losses_BK = token_losses(logits_BKV, batch.target_out_BT[:, :k], label_smoothing=self._label_smoothing)
        weights_K = to_device(torch.tensor(self._weights[:k], dtype=losses_BK.dtype), losses_BK.device)
        return (losses_BK * weights_K).sum() / batch.update_rows
