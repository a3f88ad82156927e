"""States of the decoder after prefixes of the model's own, alone and beside those after the reference's."""

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.data.special_tokens import PAD
from intelligen.models.interfaces import EncoderOutput, Generator, MixtureReader, offering


def states_after(model: Generator, own_in: Tensor, encoded: EncoderOutput) -> Tensor:
    """States [N, T, D] after tokens [N, T], or after mixtures of tokens [N, T, V]."""
    if not own_in.is_floating_point():
        return model.states(own_in, encoded)
    return offering(model, MixtureReader).mixture_states(own_in, encoded)


def states_after_both(
    model: Generator, reference_BT: Tensor, own_in: Tensor, encoded: EncoderOutput, *, anchored: bool
) -> tuple[Tensor, Tensor]:
    """States after the reference's prefixes, and after the model's own.

    Tokens are adjacent rows of one batch: one pass reads both, and computes only once what the decoder asks of a
    source. Mixtures are no tokens and take a pass of their own.

    Args:
        model: Reads them.
        reference_BT: One row for each source.
        own_in: What `states_after` reads, n adjacent rows for each source.
        encoded: The sources.
        anchored: Whether the loss after the reference's prefixes has a weight; without one it is only reported, and
            takes no gradient.

    """
    if anchored and not own_in.is_floating_point():
        return _side_by_side(model, reference_BT, own_in, encoded)
    encoded = model.for_several_passes(encoded)
    reference_BTD = anchor_states(model, reference_BT, encoded, anchored=anchored)
    return reference_BTD, states_after(model, own_in, encoded)


def anchor_states(model: Generator, reference_BT: Tensor, encoded: EncoderOutput, *, anchored: bool) -> Tensor:
    """States after the reference's prefixes, by a pass of their own; `anchored` as of `states_after_both`."""
    with torch.set_grad_enabled(anchored and torch.is_grad_enabled()):
        return model.states(reference_BT, encoded)


def _side_by_side(
    model: Generator, reference_BT: Tensor, own_NT: Tensor, encoded: EncoderOutput
) -> tuple[Tensor, Tensor]:
    """The same of one pass over rows as wide as the wider of both, each source's reference before its own ones."""
    sources, widths = len(reference_BT), (reference_BT.size(1), own_NT.size(1))
    both = reference_BT[:, None], own_NT.view(sources, -1, widths[1])
    rows_BnT = torch.cat([F.pad(one, (0, max(widths) - one.size(2)), value=PAD) for one in both], dim=1)
    states_NTD = model.states(rows_BnT.flatten(0, 1), encoded)
    states_BnTD = states_NTD.view(sources, -1, *states_NTD.shape[1:])
    return states_BnTD[:, 0, : widths[0]], states_BnTD[:, 1:, : widths[1]].flatten(0, 1)
