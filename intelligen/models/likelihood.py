"""What a model's logits say of given tokens: summed over tokens by the caller, PAD counting nothing."""

from torch import Tensor
from torch.nn import functional as F

from intelligen.data.tokens import PAD


def token_losses(logits_BTV: Tensor, target_BT: Tensor, *, label_smoothing: float) -> Tensor:
    """Label-smoothed cross entropy per token (Szegedy et al. 2016, sec. 7), (B, T); 0 where the target is PAD."""
    return F.cross_entropy(
        logits_BTV.flatten(0, 1),
        target_BT.flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
        reduction="none",
    ).view_as(target_BT)


def token_log_probs(logits_BTV: Tensor, token_BT: Tensor) -> Tensor:
    """Log p of each given token, (B, T), in fp32; 0 where the token is PAD."""
    return -token_losses(logits_BTV.float(), token_BT, label_smoothing=0.0)
