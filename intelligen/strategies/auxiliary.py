"""First-token prediction beside teacher forcing: y_1 is the one token without a reference prefix to lean on."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from intelligen.config.single_strategies import Auxiliary
from intelligen.data.batches import Batch
from intelligen.data.tokens import PAD
from intelligen.optimization import Loss, Sums
from intelligen.strategies.base import Objective, Step
from intelligen.strategies.standard import TeacherForcing


class AuxiliaryObjective(Objective):
    """CE + λ·CE_1, or (1 − λ)·CE + λ·CE_1.

    CE is the teacher's, a mean over the update's target tokens. CE_1 is a mean over the update's rows, each of which
    has one y_1; it smooths labels as CE does. With the decoder's head it is a term of CE already, so that `add` is CE
    with the first token's weight raised from 1 to 1 + λ·tokens/rows. Over k tokens, CE_1 is
    Σ_j w_j·(sum of the rows' losses at token j) / rows with w_j ∝ decay^(j−1), Σ w_j = 1: k and decay move λ's weight
    between tokens without raising it, and a row that ends before its k-th token has that much less of it.

    Args:
        settings: The strategy's knobs.
        teacher: The teacher-forced loss.

    """

    def __init__(self, settings: Auxiliary, *, teacher: TeacherForcing) -> None:
        self._settings = settings
        self._teacher = teacher
        decayed = [settings.decay**place for place in range(settings.tokens)]
        self._weights = [weight / sum(decayed) for weight in decayed]

    def __call__(self, forward: nn.Module, batch: Batch, step: Step) -> Loss:
        """The micro-batch's share: token losses over the update's tokens, first-token losses over its rows."""
        settings = self._settings
        if settings.head == "encoder":
            logits_BTV, pooled_BV = forward(batch.source_BS, batch.target_in_BT, pooled=True)
            first = self._first_tokens(pooled_BV[:, None], batch)
        else:
            (logits_BTV,) = forward(batch.source_BS, batch.target_in_BT)
            first = self._first_tokens(logits_BTV, batch)
        main = self._teacher.loss(logits_BTV, batch)
        rows = (batch.target_out_BT[:, 0] != PAD).sum()
        main.sums.add(Sums({"train/auxiliary_loss": (first * batch.update_rows, rows)}))
        main_weight = 1 - settings.weight if settings.combine == "convex" else 1
        return Loss(main_weight * main.total + settings.weight * first, main.sums)

    def _first_tokens(self, logits_BTV: Tensor, batch: Batch) -> Tensor:
        """CE_1, from logits of the first k positions at least, or of all there are."""
        losses = [
            weight * self._teacher.loss(logits_BTV[:, place : place + 1], _only(place, batch)).total
            for place, weight in enumerate(self._weights[: logits_BTV.size(1)])
        ]
        return torch.stack(losses).sum()


def _only(place: int, batch: Batch) -> Batch:
    """A batch of one target token per row, of which the update has as many as rows."""
    return replace(batch, target_out_BT=batch.target_out_BT[:, place : place + 1], update_targets=batch.update_rows)
