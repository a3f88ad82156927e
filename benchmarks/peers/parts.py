"""Our projections of the same input are one product; the peers' stand apart."""

from collections.abc import Sequence

from torch import nn

from intelligen.data.special_tokens import EOS


def copy_linear(whole: nn.Linear, *parts: nn.Linear) -> None:
    """Weights and biases of one projection into those that it stands for, in their order."""
    sizes = [part.out_features for part in parts]
    for part, weight, bias in zip(parts, whole.weight.split(sizes), whole.bias.split(sizes), strict=True):
        part.weight.copy_(weight)
        part.bias.copy_(bias)


def copy_norm(ours: nn.LayerNorm, theirs: nn.LayerNorm) -> None:
    """Scale, shift, and what keeps the root from zero."""
    theirs.load_state_dict(ours.state_dict())
    theirs.eps = ours.eps


def before_end(tokens: Sequence[int]) -> list[int]:
    """What stands before the first EOS."""
    row = list(tokens)
    return row[: row.index(EOS)] if EOS in row else row
