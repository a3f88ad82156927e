"""Teacher forcing (`standard`): the reference's prefix predicts its next token."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from intelligen.data.batches import Batch
from intelligen.data.special_tokens import PAD
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets, kept_positions, token_losses
from intelligen.models.row_masks import rows_repeated
from intelligen.optimization import Loss, MetricSums
from intelligen.strategies.base import Criterion, UpdateContext


class TeacherForcing(Criterion):
    """Label-smoothed cross entropy, optionally with R-Drop.

    Args:
        label_smoothing: ε.
        r_drop: Weight of the symmetric KL divergence between two dropout passes: half of α in Liang et al. (2021),
            eq. 4, since the two passes' cross entropies are averaged here and added there.

    """

    def __init__(self, *, label_smoothing: float, r_drop: float = 0.0) -> None:
        self._label_smoothing = label_smoothing
        self._r_drop = r_drop

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        """The micro-batch's share: token losses over the update's target tokens."""
        if self._r_drop == 0:
            return self.after(model.states(batch.target_in_BT, model.encode(batch.source_BS)), model, batch)
        # Rows doubled rather than two passes: one gradient pass, and dropout differs between the copies.
        source_BS = batch.source_BS.repeat(2, 1)
        with rows_repeated(2):
            both_NTV = model(source_BS, batch.target_in_BT.repeat(2, 1))
        first_BTV, second_BTV = both_NTV.chunk(2)
        first, second = self.loss(first_BTV, batch), self.loss(second_BTV, batch)
        divergence = symmetric_kl(first_BTV, second_BTV, keep_BT=batch.target_out_BT != PAD)
        total = (first.total + second.total) / 2 + self._r_drop * divergence / batch.update_targets
        return Loss(total, first.sums)

    def after(self, states_BTD: Tensor, model: Generator, batch: Batch) -> Loss:
        """The micro-batch's share, from the model's states after the reference's prefixes."""
        return self._share(model.summed_loss(states_BTD, Targets(batch.target_out_BT, self._label_smoothing)), batch)

    def loss(self, logits_BTV: Tensor, batch: Batch) -> Loss:
        """The share of given teacher-forced logits."""
        losses_BT = token_losses(logits_BTV, batch.target_out_BT, label_smoothing=self._label_smoothing)
        return self._share(losses_BT.sum(), batch)

    def _share(self, summed: Tensor, batch: Batch) -> Loss:
        return Loss(summed / batch.update_targets, MetricSums({"train/loss": (summed, batch.num_targets)}))


class Supervised(Criterion[Any, Any]):
    """What a task minimises by itself, where its models write nothing: there is no prefix to force.

    Args:
        loss: Model, batch → the micro-batch's share.

    """

    def __init__(self, loss: Callable[[Any, Any], Loss]) -> None:
        self._loss = loss

    def __call__(self, model: Any, batch: Any, step: UpdateContext) -> Loss:
        """The micro-batch's share."""
        return self._loss(model, batch)


def symmetric_kl(first_BTV: Tensor, second_BTV: Tensor, *, keep_BT: Tensor) -> Tensor:
    """Half of KL(p‖q) + KL(q‖p), summed over the kept positions."""
    p = F.log_softmax(kept_positions(first_BTV, keep_BT), dim=-1)
    q = F.log_softmax(kept_positions(second_BTV, keep_BT), dim=-1)
    forward = F.kl_div(q, p, reduction="sum", log_target=True)
    backward = F.kl_div(p, q, reduction="sum", log_target=True)
    return (forward + backward) / 2
