"""Token losses and log-probabilities: summed over tokens by the caller; PAD counts nothing."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from intelligen.data.special_tokens import NO_LABEL, PAD
from intelligen.models.matmul import linear, matmul, product_over_rows

# Logits held at once. A processor's fit into memory that it has at hand; an accelerator's kernels want to be long.
_LOGITS = {"cpu": 2**22}
_ACCELERATOR_LOGITS = 2**27
# Of these, how many a processor turns into losses and gradients at once: it passes over them several times.
_CACHED_LOGITS = 2**18


class Targets(NamedTuple):
    """The tokens that should have come, and how their loss is taken."""

    tokens_NT: Tensor
    label_smoothing: float


def token_losses(logits_BTV: Tensor, target_BT: Tensor, *, label_smoothing: float) -> Tensor:
    """Label-smoothed cross entropy per token (Szegedy et al. 2016, sec. 7), (B, T); 0 where the target is PAD."""
    return F.cross_entropy(
        logits_BTV.flatten(0, 1),
        target_BT.flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
        reduction="none",
    ).view_as(target_BT)


def summed_class_loss(logits_BC: Tensor, label_B: Tensor, *, label_smoothing: float) -> Tensor:
    """The sum of the rows' label-smoothed cross entropies; 0 of rows whose class is `NO_LABEL`."""
    return F.cross_entropy(logits_BC, label_B, reduction="sum", ignore_index=NO_LABEL, label_smoothing=label_smoothing)


def token_log_probs(logits_BTV: Tensor, token_BT: Tensor) -> Tensor:
    """Log p of each given token, (B, T), in fp32, or wider where the logits are; 0 where the token is PAD."""
    wide = torch.promote_types(logits_BTV.dtype, torch.float32)
    return -token_losses(logits_BTV.to(wide), token_BT, label_smoothing=0.0)


def kept_positions(logits_BTV: Tensor, keep_BT: Tensor) -> Tensor:
    """The logits [M, V] of the positions that are kept, in fp32; on an accelerator, zeros [B·T, V] in place of others.

    Of two distributions made from such logits, the zeros are alike, so that no divergence counts them.
    """
    if keep_BT.device.type == "cpu":
        return logits_BTV[keep_BT].float()
    # How many they are is a question that would stall the queue of kernels.
    return logits_BTV.float().masked_fill(~keep_BT[..., None], 0.0).flatten(0, -2)


def summed_loss(states_NTD: Tensor, projection_VD: Tensor, targets: Targets, *, bias_V: Tensor | None = None) -> Tensor:
    """The sum of `token_losses` of the projected states, without ever holding the logits of all positions.

    In fp32 it differs from that sum by rounding alone. A bias of the logits is no weight: it gets no gradient.
    """
    loss = _SummedLoss.apply(  # type: ignore[no-untyped-call]
        states_NTD.flatten(0, 1), projection_VD, targets.tokens_NT.flatten(), targets.label_smoothing, bias_V
    )
    return cast(Tensor, loss)


class _SummedLoss(torch.autograd.Function):
    """Gradients are taken while a chunk's logits are at hand, as in Wijmans et al. (2024): logits are made once."""

    @staticmethod
    def forward(
        ctx: Any,
        states_MD: Tensor,
        projection_VD: Tensor,
        target_M: Tensor,
        label_smoothing: float,
        bias_V: Tensor | None,
    ) -> Tensor:
        kind = states_MD.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states_MD.dtype
        wide = torch.promote_types(dtype, torch.float32)
        rows = max(1, _LOGITS.get(kind, _ACCELERATOR_LOGITS) // len(projection_VD))
        padding_M1 = (target_M == PAD)[:, None]
        # Padding's share of the gradient is 0 in both products, and its logits need not be touched for that.
        kept_MD = states_MD.to(dtype).masked_fill(padding_M1, 0.0)
        # Cast once, here: autocast would cast the table for each chunk.
        with torch.autocast(kind, enabled=False):
            projection, bias = projection_VD.to(dtype), None if bias_V is None else bias_V.to(dtype)
            losses, by_states = [], []
            by_projection_VD: Tensor | None = None
            for states, target_C in zip(torch.split(kept_MD, rows), torch.split(target_M, rows), strict=True):
                logits_CV = linear(states, projection, bias).to(wide)
                losses.append(_take_losses(logits_CV, target_C[:, None], label_smoothing))
                by_logits_CV = logits_CV.to(dtype)
                by_states.append(matmul(by_logits_CV, projection))
                of_chunk_VD = product_over_rows(by_logits_CV, states).to(projection_VD.dtype)
                # Not added to zeros: all of it is as large as the table.
                so_far_VD = by_projection_VD
                by_projection_VD = of_chunk_VD.contiguous() if so_far_VD is None else so_far_VD.add_(of_chunk_VD)
        by_states_MD = torch.cat(by_states).masked_fill_(padding_M1, 0.0)
        ctx.save_for_backward(by_states_MD.to(states_MD.dtype), by_projection_VD)
        return torch.cat(losses).masked_fill_(padding_M1.squeeze(1), 0.0).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_loss: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        by_states_MD, by_projection_VD = ctx.saved_tensors
        return by_states_MD * by_loss, by_projection_VD * by_loss, None, None, None


def _take_losses(logits_CV: Tensor, target_C1: Tensor, label_smoothing: float) -> Tensor:
    """Each row's loss; in the place of the logits, its gradient by them: softmax less target distribution."""
    rows = max(1, _CACHED_LOGITS // logits_CV.size(1)) if logits_CV.device.type == "cpu" else len(logits_CV)
    pieces = zip(torch.split(logits_CV, rows), torch.split(target_C1, rows), strict=True)
    return torch.cat([_take_losses_of_piece(logits_RV, target_R1, label_smoothing) for logits_RV, target_R1 in pieces])


def _take_losses_of_piece(logits_RV: Tensor, target_R1: Tensor, label_smoothing: float) -> Tensor:
    # A processor's kernel has read a row before it writes it.
    in_place = logits_RV if logits_RV.device.type == "cpu" else None
    log_probs_RV = torch.log_softmax(logits_RV, dim=1, out=in_place)
    confidence = 1 - label_smoothing
    losses_R = -label_smoothing * log_probs_RV.mean(dim=1) - confidence * log_probs_RV.gather(1, target_R1).squeeze(1)
    gradient_RV = torch.exp(log_probs_RV, out=logits_RV).sub_(label_smoothing / logits_RV.size(1))
    gradient_RV.scatter_add_(1, target_R1, gradient_RV.new_full((), -confidence).expand_as(target_R1))
    return losses_R
