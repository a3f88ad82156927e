"""One decoding step: next logits, and compaction of rows that have finished."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.fixed_cache import FixedCache
from intelligen.models.interfaces import DecoderCache

SearchCache = DecoderCache | FixedCache
"""Rows that have finished leave a cache, but not one of fixed size."""
Extend = Callable[[Tensor, Any], Tensor]
"""Appends tokens [N, T] to the cached prefixes and gives the logits [N, T, V] after each of them."""

# Dropping rows costs about a quarter of a step, so at this share it pays within a few steps.
_SHARE_THAT_LEAVES = 0.125
_STEPS_BETWEEN_LOOKS = 8
"""On an accelerator, whose queue of kernels runs empty at each look."""


def next_logits(extend: Extend, tokens_N: Tensor, cache: SearchCache) -> Tensor:
    """Logits [N, V] of the next token in float32, whatever the model computes in; -inf for what is no token."""
    return mask_unwritable_(extend(tokens_N[:, None], cache)[:, -1].float())


def mask_unwritable_(logits: Tensor) -> Tensor:
    """Overwrite the logits [..., V] of PAD ("no token") and BOS ("not begun"): no hypothesis contains them."""
    logits[..., PAD] = -torch.inf
    logits[..., BOS] = -torch.inf
    return logits


def looks(step: int, device: torch.device) -> bool:
    """Whether to look after token number `step` (from 0) which rows have finished: an accelerator is waited for then.

    Rows that have finished since the last look are carried along, and their hypotheses stay as they are.
    """
    return device.type == "cpu" or (step + 1) % _STEPS_BETWEEN_LOOKS == 0


def should_compact(*, live: int, computed: int) -> bool:
    """Whether so many of the computed rows are finished that it pays to compute the live ones alone."""
    return computed - live >= _SHARE_THAT_LEAVES * computed
