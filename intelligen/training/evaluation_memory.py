"""Evaluation within memory: what does not fit is evaluated again in smaller batches, alike on every rank."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import torch

from intelligen.config.schema.decoding import Decoding
from intelligen.data.batches import Rows, cut, largest_part
from intelligen.optimization import gather_over_ranks
from intelligen.training.memory_shortage import Shortage, tried
from intelligen.training.trial_memory import halved

Value = TypeVar("Value")


@dataclass(frozen=True)
class Evaluated(Generic[Value]):
    """What came of an evaluation."""

    values: list[Value]
    """Of every rank."""
    batch_tokens: int
    """Of the batches that fitted."""
    shortage: Shortage | None
    """Why they are smaller than what was asked for; none where they are not."""


def evaluate_within_memory(
    evaluate: Callable[[Decoding], Value], decoding: Decoding, *, lengths: Callable[[], Rows], device: torch.device
) -> Evaluated[Value]:
    """Evaluate, and where that does not fit on any rank, evaluate again on all with half the tokens per batch.

    Which rows share a batch must not depend on the ranks. An evaluation leaves no state, so nothing is done twice.

    Args:
        evaluate: Evaluates this rank's rows by `evaluation_batches`; it does not communicate.
        decoding: With the number of tokens that is tried first.
        lengths: The split's `Examples.lengths`, in any order.
        device: Where it is done.

    Raises:
        MemoryShortageError: Not even a single row fits.

    """
    tokens, last = decoding.batch_tokens, None
    while True:
        bounded = decoding.model_copy(update={"batch_tokens": tokens})
        found = gather_over_ranks(tried(partial(evaluate, bounded), device))
        shortage = next((one for one in found if isinstance(one, Shortage)), None)
        if shortage is None:
            return Evaluated([one for one in found if not isinstance(one, Shortage)], tokens, last)
        last, descending = shortage, -np.sort(-lengths())
        tokens = halved(largest_part(descending, cut(descending, tokens)), shortage)
