"""Minimum Bayes risk: of drawn hypotheses, the one with the largest mean utility when each of them is the reference."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from intelligen.config.schema.decoding import Utility
from intelligen.data.special_tokens import PAD
from intelligen.decoding.hypotheses import Hypotheses, trimmed

DRAWN_TOGETHER: Final = 8
"""Hypotheses of each source that are drawn at a time."""

Utilities = npt.NDArray[np.float64]
"""[N, N]: of each hypothesis (row), were each of them (column) the reference."""


class PairUtility(Protocol):
    """Utilities of hypotheses of one source, by a metric."""

    def __call__(self, hypotheses: Sequence[Sequence[int]], *, metric: Utility) -> Utilities:
        """Of hypotheses as their tokens, EOS and PAD included."""


def least_risk(
    drawn: Sequence[Hypotheses], *, sources: int, utility: Callable[[Sequence[Sequence[int]]], Utilities]
) -> Hypotheses:
    """Of each source's hypotheses the one with the largest mean utility over all of them; of equals the first drawn.

    Eikema and Aziz (2020, *Is MAP Decoding All You Need?*), with the samples as hypotheses and as references. One
    that was drawn twice counts twice as a reference.

    Args:
        drawn: Several hypotheses for every source, those of a source adjacent in each part.
        sources: Their number.
        utility: Of a source's different hypotheses.

    """
    width = max(part.tokens_NT.size(1) for part in drawn)
    tokens_BST = torch.cat(
        [F.pad(_by_source(part.tokens_NT, sources), (0, width - part.tokens_NT.size(1)), value=PAD) for part in drawn],
        dim=1,
    )
    chosen_B = torch.tensor([_chosen(tokens_ST, utility) for tokens_ST in tokens_BST.tolist()]).to(tokens_BST.device)
    row_B = torch.arange(sources, device=tokens_BST.device)
    log_probs = [_by_source(part.log_probs_N, sources) for part in drawn if part.log_probs_N is not None]
    log_probs_B = torch.cat(log_probs, dim=1)[row_B, chosen_B] if log_probs else None
    return trimmed(tokens_BST[row_B, chosen_B], log_probs_B)


def _by_source(values_N: Tensor, sources: int) -> Tensor:
    return values_N.reshape(sources, -1, *values_N.shape[1:])


def _chosen(tokens_ST: Sequence[Sequence[int]], utility: Callable[[Sequence[Sequence[int]]], Utilities]) -> int:
    """Place of the best among a source's hypotheses."""
    hypotheses = [tuple(tokens_T) for tokens_T in tokens_ST]
    times = Counter(hypotheses)
    mean_U = utility([*times]) @ np.array([*times.values()], dtype=np.float64)
    return hypotheses.index([*times][int(mean_U.argmax())])
