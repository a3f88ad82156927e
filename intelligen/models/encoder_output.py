"""Output of the Transformer's encoder, with its padding mask."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from intelligen.models.segments import Segments


def visible_keys(padding_BS: Tensor) -> Tensor | None:
    """Turn a padding mask (True = padding) into an attention mask.

    Returns:
        Boolean mask [B, 1, 1, S], True = may be attended to; None where nothing is hidden.

    """
    # On an accelerator the question would stall the queue of kernels.
    if padding_BS.device.type == "cpu" and not bool(padding_BS.any()):
        return None
    # A row of nothing but padding attends to all of it: over no key at all, some kernels' softmax is not a number.
    hidden_BS = padding_BS & ~padding_BS.all(dim=1, keepdim=True)
    return ~hidden_BS[:, None, None, :]


@dataclass(frozen=True)
class TransformerEncoderOutput:
    """What the encoder made of a batch of sources."""

    states_BSD: Tensor
    padding_BS: Tensor
    """Boolean, True = padding."""
    kv_LBSW: tuple[Tensor, ...] | None = None
    """What each layer of a decoder attends to; none = it computes that whenever it is asked."""
    segments: Segments | None = None
    """What whole targets attend to in the place of `visible_keys`; none = that."""

    @cached_property
    def visible_keys(self) -> Tensor | None:
        """The attention mask of `padding_BS`."""
        return visible_keys(self.padding_BS)

    @property
    def mean_BD(self) -> Tensor:
        """Mean of the states over the positions without padding; zero for a source of padding alone."""
        lengths_B = (~self.padding_BS).sum(dim=1).clamp(min=1)
        return self.states_BSD.masked_fill(self.padding_BS[:, :, None], 0.0).sum(dim=1) / lengths_B[:, None]

    def select(self, rows_N: Tensor) -> "TransformerEncoderOutput":
        """The sources `rows_N`, in that order."""
        return TransformerEncoderOutput(
            self.states_BSD.index_select(0, rows_N),
            self.padding_BS.index_select(0, rows_N),
            self.kv_LBSW and tuple(kv_BSW.index_select(0, rows_N) for kv_BSW in self.kv_LBSW),
        )
