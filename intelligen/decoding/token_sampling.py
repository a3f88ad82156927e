"""Samples tokens from a model's distribution, by temperature, top-k and top-p."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intelligen.decoding.topk import topk_tokens


class Uniforms(Protocol):
    """The randomness of a search that draws."""

    def __call__(self, width: int, samples: int = 1) -> Tensor:
        """So many draws from [0, 1) for each sample of each row; the samples of a row are adjacent."""


def row_uniforms(key: int, rows: npt.NDArray[np.int64], *, width: int, samples: int = 1) -> Tensor:
    """Draw from [0, 1): each draw is a function of (key, row, sample, column), and of nothing else.

    A counter-based generator (Philox: Salmon et al. 2011) has one stream for each of these, so neither the other rows
    nor how many samples and columns are asked for change a draw.

    Args:
        key: what the draws are for, at most 64 bits.
        rows: any numbers that name the rows.
        width: draws per sample.
        samples: per row.

    Returns:
        float32 [rows·samples, width] on the CPU; the samples of a row are adjacent.

    """
    drawn_RSW = np.empty((len(rows), samples, width), dtype=np.float32)
    # One generator that is set to each stream's beginning: a new one for each would take three times as long.
    philox = np.random.Philox(key=0)
    generator, beginning = np.random.Generator(philox), philox.state
    for row, drawn_SW in zip(rows, drawn_RSW, strict=True):
        for sample, drawn_W in enumerate(drawn_SW):
            beginning["state"]["key"][0], beginning["state"]["key"][1] = key, row
            # Draws count up the first word of the counter; the second distinguishes the samples.
            beginning["state"]["counter"][:] = 0, sample, 0, 0
            philox.state = beginning
            generator.random(out=drawn_W, dtype=np.float32)
    return torch.from_numpy(drawn_RSW).flatten(0, 1)


def draw(logits_NV: Tensor, uniforms_N: Tensor, *, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Draw one token [N] per row.

    Args:
        logits_NV: the model's.
        uniforms_N: from [0, 1); each row's place in its cumulative distribution.
        temperature: divides the logits.
        top_k: only the k most probable tokens; 0 = all.
        top_p: only the smallest set of them whose probability reaches p (Holtzman et al. 2020); 1 = all.

    """
    if top_k == 0 and top_p == 1.0:
        # By way of log-probabilities, as ever: a softmax of the logits is rounded otherwise, and draws would change.
        return _draw_index((logits_NV.log_softmax(dim=-1) / temperature).softmax(dim=-1), uniforms_N)
    scores_NV = logits_NV / temperature
    vocabulary = scores_NV.size(-1)
    scores_NK, tokens_NK = topk_tokens(scores_NV, min(top_k or vocabulary, vocabulary))
    probs_NK = scores_NK.softmax(dim=-1)
    before_NK = probs_NK.cumsum(dim=-1) - probs_NK
    # The first token has nothing before it and always stays.
    index_N = _draw_index(probs_NK.masked_fill(before_NK >= top_p, 0.0), uniforms_N)
    return tokens_NK.gather(1, index_N[:, None]).squeeze(1)


def _draw_index(weights_NV: Tensor, uniforms_N: Tensor) -> Tensor:
    """Inverse of the cumulative distribution; some twenty times as fast as `torch.multinomial` on a processor."""
    cumulative_NV = weights_NV.cumsum(dim=-1)
    total_N1 = cumulative_NV[:, -1:]
    # Rounding may lift the product to the total itself, behind the last token that has any weight.
    below_total_N1 = torch.minimum(uniforms_N[:, None] * total_N1, total_N1.nextafter(torch.zeros_like(total_N1)))
    index_N = torch.searchsorted(cumulative_NV, below_total_N1, right=True).squeeze(1)
    # Behind all tokens only where the distribution is NaN: the loss will be too, and its check names it.
    return index_N.clamp(max=weights_NV.size(-1) - 1)
